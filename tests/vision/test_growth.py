"""The terms of the norm's change: equation 4, step by step, and sums over steps."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from shared_optim import WeightDecaySGD
from vision.growth import Growth
from vision.models.catalog import build
from vision.models.layers import scale_invariant


def square(parameters):
    return sum(float(p.detach().double().square().sum()) for p in parameters)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-6)])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_terms_add_up_to_the_change_of_the_norm(dtype, tolerance, momentum, decay):
    """At every step, for groups and whole."""
    torch.manual_seed(0)
    model = build("resnet8", 4, "batch", 8).to(dtype)
    named = dict(model.named_parameters())
    kernels = [p for name, p in named.items() if name in scale_invariant(model)]
    rest = [p for name, p in named.items() if name not in scale_invariant(model)]
    growth = Growth({"invariant": kernels, "rest": rest})
    optimizer = WeightDecaySGD(model.parameters(), lr=0.1, momentum=momentum, l2=decay)
    for _ in range(4):
        images, labels = torch.randn(8, 3, 8, 8, dtype=dtype), torch.randint(4, (8,))
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        before = square(kernels), square(rest)
        growth.before_step()
        optimizer.step()
        growth.after_step(0.1, [p.grad for p in growth.parameters])
        after = square(kernels), square(rest)
        terms = growth.take()
        for name, old, new in zip(("invariant", "rest"), before, after, strict=True):
            total = terms[f"growth/square_{name}"] + terms[f"growth/cross_{name}"]
            assert total == pytest.approx(new - old, abs=tolerance * old)
        total = terms["growth/square"] + terms["growth/cross"]
        assert total == pytest.approx(sum(after) - sum(before), abs=tolerance * sum(before))


def test_raw_terms_are_those_of_the_step_of_plain_sgd():
    """Without momentum and decay u = -alpha g."""
    torch.manual_seed(0)
    model = nn.Linear(5, 3).double()
    optimizer = WeightDecaySGD(model.parameters(), lr=0.3)
    growth = Growth({"rest": list(model.parameters())})
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(4, 5).double()).square().sum().backward()
        growth.before_step()
        optimizer.step()
        growth.after_step(0.3, [p.grad for p in growth.parameters])
    terms = growth.take()
    assert terms["growth/raw_square"] == pytest.approx(terms["growth/square"], rel=1e-12)
    assert terms["growth/raw_cross"] == pytest.approx(terms["growth/cross"], rel=1e-10)
    assert growth.take()["growth/square"] == 0  # taken


def test_raw_gradient_of_normalised_kernels_is_orthogonal_to_them():
    """And with momentum their step is not."""
    torch.manual_seed(0)
    model = build("resnet8", 4, "batch", 8).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-12
    named = dict(model.named_parameters())
    kernels = [p for name, p in named.items() if name in scale_invariant(model)]
    growth = Growth({"invariant": kernels})
    optimizer = WeightDecaySGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(5):
        images, labels = torch.randn(8, 3, 8, 8).double(), torch.randint(4, (8,))
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        growth.before_step()
        optimizer.step()
        growth.after_step(0.1, [p.grad for p in growth.parameters])
    terms = growth.take()
    assert abs(terms["growth/raw_cross_invariant"]) < 1e-9
    assert terms["growth/cross_invariant"] > 1e-3


def test_groups_without_parameters_are_left_out():
    growth = Growth({"invariant": [], "rest": [torch.ones(2, requires_grad=True)]})
    assert growth.sums.shape == (1, 4)
    assert "growth/square_invariant" not in growth.take()
