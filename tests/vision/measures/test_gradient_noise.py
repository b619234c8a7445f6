"""Gradients of single images against a plain loop, autograd and closed forms."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from vision.measures.gradient_noise import gradient_noise
from vision.models.catalog import build
from workload.errors import UserError


def loss_of(outputs, label):
    return functional.cross_entropy(outputs, label)


@pytest.fixture
def small():
    """A small ResNet in float64, images and labels."""
    torch.manual_seed(0)
    model = build("resnet8", 3, "none", 2).double()
    return model, torch.randn(7, 3, 8, 8, dtype=torch.float64), torch.arange(7) % 3


def looped(model, images, labels):
    """Losses and gradients of one image after the other by autograd."""
    found = []
    for image, label in zip(images, labels, strict=True):
        loss = functional.cross_entropy(model(image[None]), label[None])
        gradient = torch.autograd.grad(loss, list(model.parameters()))
        found.append((float(loss.detach()), torch.cat([g.flatten() for g in gradient])))
    return found


@pytest.mark.parametrize("batch", [1, 3, 7, 50])
def test_it_is_what_a_loop_over_images_gives(small, batch):
    """However many are computed at once, and whatever is left over."""
    noise = gradient_noise(small[0], loss_of, *small[1:], batch=batch)
    of_each = looped(*small)
    squares = [float(gradient @ gradient) for _, gradient in of_each]
    ratios = [square / loss for square, (loss, _) in zip(squares, of_each, strict=True)]
    assert noise.loss == pytest.approx(sum(loss for loss, _ in of_each) / 7, rel=1e-12)
    assert noise.square == pytest.approx(sum(squares) / 7, rel=1e-12)
    assert noise.lowest == pytest.approx(min(ratios), rel=1e-12)
    assert noise.highest == pytest.approx(max(ratios), rel=1e-12)
    gradients = torch.stack([gradient for _, gradient in of_each])
    spread = (gradients - gradients.mean(0)).square().sum(1).mean()
    assert noise.variance == pytest.approx(float(spread), rel=1e-10)


def test_the_mean_gradient_is_that_of_the_batch(small):
    model, images, labels = small
    loss = functional.cross_entropy(model(images), labels)
    gradient = torch.autograd.grad(loss, list(model.parameters()))
    expected = sum(float(g.square().sum()) for g in gradient)
    noise = gradient_noise(model, loss_of, images, labels)
    assert noise.square_of_mean == pytest.approx(expected, rel=1e-12)


def test_one_image_has_no_variance(small):
    model, images, labels = small
    noise = gradient_noise(model, loss_of, images[:1], labels[:1])
    assert noise.variance == pytest.approx(0, abs=1e-12 * noise.square)


def test_linear_regression_on_normal_inputs():
    """With r = <w - truth, x> and x ~ N(0, I) in d dimensions: L = |w - truth|^2 / 2 and
    E|r x|^2 = (d + 2) |w - truth|^2, so that the ratio is 2 (d + 2) at every w."""
    torch.manual_seed(1)
    d, count = 6, 60_000
    model = nn.Linear(d, 1, bias=False).double()
    inputs, truth = torch.randn(count, d, dtype=torch.float64), torch.randn(d, dtype=torch.float64)
    targets = inputs @ truth

    def squared(output, target):
        return (output[0] - target).square() / 2

    noise = gradient_noise(model, squared, inputs, targets, batch=20_000)
    with torch.no_grad():
        residuals = inputs @ (model.weight[0] - truth)
        exact = residuals.square() * inputs.square().sum(1)
    assert noise.square == pytest.approx(float(exact.mean()), rel=1e-12)
    error = float(exact.std()) / math.sqrt(count)
    distance = float((model.weight[0].detach() - truth).square().sum())
    assert abs(noise.square - (d + 2) * distance) < 3 * error
    assert noise.ratio == pytest.approx(2 * (d + 2), rel=0.05)


def test_where_every_sample_is_fitted():
    model = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(model.weight)
    noise = gradient_noise(
        model, lambda output, target: (output[0] - target) ** 2, torch.ones(4, 2), torch.zeros(4)
    )
    assert (noise.loss, noise.square) == (0, 0)
    assert math.isnan(noise.ratio)
    assert math.isnan(noise.lowest)


def test_nothing_of_the_network_changes(small):
    model = small[0]
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    gradient_noise(model, loss_of, *small[1:])
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(state, torch.get_rng_state())


def test_batch_normalisation_is_refused(small):
    model = build("resnet8", 3, "batch", 2).double()
    with pytest.raises(UserError, match=r"norm: bn1 is batch normalisation: .* --norm none"):
        gradient_noise(model, loss_of, *small[1:])
