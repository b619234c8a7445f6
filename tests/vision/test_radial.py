"""The halves of the cross-entropy and their directions, in closed form for a linear layer."""

import pytest
import torch
from torch.nn import functional

from vision.radial import cosines, negative_loss


def linear(seed=0, count=7, size=5, classes=4):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(classes, size, generator=generator, dtype=torch.float64)
    inputs = torch.randn(count, size, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (count,), generator=generator)
    return weight.requires_grad_(), inputs, labels


def test_gradients_of_a_linear_layer_in_closed_form():
    """grad l_pos = -Y'X/B with Y one-hot, grad l_neg = P'X/B with P the softmax."""
    weight, inputs, labels = linear()
    logits = inputs @ weight.T
    (negative,) = torch.autograd.grad(negative_loss(logits), weight, retain_graph=True)
    (whole,) = torch.autograd.grad(functional.cross_entropy(logits, labels), weight)
    probabilities = logits.detach().exp() / logits.detach().exp().sum(1, keepdim=True)
    one_hot = torch.eye(4, dtype=torch.float64)[labels]
    by_hand = probabilities.T @ inputs / 7, -one_hot.T @ inputs / 7
    torch.testing.assert_close(negative, by_hand[0], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(whole - negative, by_hand[1], rtol=1e-10, atol=1e-13)
    w = weight.detach()
    found = cosines([weight], [whole], [negative])
    for value, gradient in zip(found, (by_hand[1], by_hand[0]), strict=True):
        wanted = -(w * gradient).sum() / (w.norm() * gradient.norm())
        assert float(value) == pytest.approx(float(wanted), rel=1e-10)


def test_the_negative_half_does_not_read_labels():
    """So its gradient is the same, bit for bit, whatever order the labels are in."""
    weight, inputs, _ = linear()
    gradients = [torch.autograd.grad(negative_loss(inputs @ weight.T), weight)[0] for _ in range(2)]
    assert torch.equal(*gradients)


def test_cosines_are_of_all_layers_together():
    generator = torch.Generator().manual_seed(1)
    w, g, n = (
        [torch.randn(size, generator=generator) for size in ((3, 2), (4,))] for _ in range(3)
    )
    flat_w, flat_g, flat_n = (torch.cat([t.flatten() for t in each]).double() for each in (w, g, n))
    found = cosines(w, g, n)
    positive = functional.cosine_similarity(flat_w, flat_n - flat_g, dim=0)
    assert float(found[0]) == pytest.approx(float(positive), rel=1e-6)
    assert float(found[1]) == pytest.approx(
        float(functional.cosine_similarity(flat_w, -flat_n, dim=0)), rel=1e-6
    )


def test_no_direction():
    zero = [torch.zeros(3)]
    assert torch.isnan(cosines([torch.ones(3)], zero, zero)).all()
