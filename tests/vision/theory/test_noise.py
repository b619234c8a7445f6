"""Losses, the training that is measured, and what Proposition 3 says of either loss."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from vision.measures.gradient_noise import GradientNoise, gradient_noise
from vision.theory.noise import cross_entropy, drawings, exponent, network, squared, train


def test_losses_are_torchs():
    torch.manual_seed(0)
    outputs, labels = torch.randn(5, 10), torch.arange(5)
    expected = functional.cross_entropy(outputs, labels, reduction="none")
    torch.testing.assert_close(cross_entropy(outputs, labels), expected)
    torch.testing.assert_close(cross_entropy(outputs[0], labels[0]), expected[0])
    targets = functional.one_hot(labels, 10).float()
    expected = functional.mse_loss(outputs, targets, reduction="none").sum(1) / 2
    torch.testing.assert_close(squared(outputs, labels), expected)
    torch.testing.assert_close(squared(outputs[0], labels[0]), expected[0])


def test_training_is_that_of_torch():
    """The last look, after two epochs, is that of the same network under torch's SGD."""
    images, labels = drawings(20)
    looks = train(squared, images, labels, learning_rate=0.01, decay=0.1, epochs=2, seed=3)
    torch.manual_seed(3)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, weight_decay=0.1)
    order = torch.Generator().manual_seed(3)
    first = gradient_noise(model, squared, images, labels)
    for _ in range(2):
        for places in torch.randperm(20, generator=order).split(8):
            optimizer.zero_grad()
            squared(model(images[places]), labels[places]).mean().backward()
            optimizer.step()
    last = gradient_noise(model, squared, images, labels)
    assert [look.epoch for look in looks] == [0, 1, 2]
    assert looks[0].noise == first
    assert looks[-1].noise.loss == pytest.approx(last.loss, rel=1e-5)
    assert looks[-1].noise.square == pytest.approx(last.square, rel=1e-4)


def test_a_training_that_diverges_ends():
    images, labels = drawings(20)
    looks = train(squared, images, labels, learning_rate=1e6, decay=0.0, epochs=50, seed=0)
    assert looks[-1].epoch < 50
    assert not np.isfinite(looks[-1].noise.loss)


def test_constants_of_the_squared_loss_are_the_jacobians():
    """|J'r|^2 / (|r|^2/2) is between twice the squares of J's singular values, image by image."""
    images, labels = drawings(12)
    torch.manual_seed(0)
    model = network().double()
    noise = gradient_noise(model, squared, images.double(), labels)
    values = {name: parameter.detach() for name, parameter in model.named_parameters()}
    ends = []
    for image in images.double():
        jacobian = torch.func.jacrev(
            lambda values, image=image: torch.func.functional_call(model, values, (image[None],))[0]
        )(values)
        matrix = torch.cat([part.flatten(1) for part in jacobian.values()], 1)
        ends.append(torch.linalg.svdvals(matrix)[[-1, 0]].square() * 2)
    low, high = torch.stack(ends).T
    assert 0 < low.min() <= noise.lowest
    assert noise.lowest <= noise.ratio <= noise.highest
    assert noise.highest <= high.max()


def test_cross_entropy_has_no_lower_constant():
    """With the last layer's weights times c the loss of a fitted image falls, and the ratio with
    it; of the squared loss it does not. A linear layer: g = x (p - e), |g|^2 = |x|^2 |p - e|^2."""
    x, label = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([0])
    ratios = []
    for scale in (4.0, 8.0, 16.0):
        model = torch.nn.Linear(2, 2, bias=False).double()
        with torch.no_grad():
            model.weight.copy_(torch.tensor([[scale, 0.0], [0.0, 0.0]]))
        noise = gradient_noise(model, cross_entropy, x, label)
        p = 1 / (1 + np.exp(scale))  # of the wrong class
        assert noise.square == pytest.approx(2 * p**2, rel=1e-12)
        assert noise.loss == pytest.approx(-np.log1p(-p), rel=1e-6)
        ratios.append(noise.ratio)
    # in the end as 2p, e^-scale
    assert ratios[1] / ratios[0] == pytest.approx(np.exp(-4), rel=0.05)
    assert ratios[2] / ratios[1] == pytest.approx(np.exp(-8), rel=0.001)


def test_exponent_of_a_power_law():
    looks = [GradientNoise(loss, 3 * loss**1.7, 0, 0, 0) for loss in (10.0, 1.0, 0.1, 0.01)]
    looks[0] = GradientNoise(10.0, 1.0, 0, 0, 0)
    assert exponent(looks, below=5) == pytest.approx(1.7)
    assert np.isnan(exponent(looks, below=0.05))
    assert np.isnan(exponent([], below=1))
