"""Losses under noise: of quadratic losses in closed form, and what scale does to them."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.vision.measures.losses import quadratic, symmetric
from vision.measures.objective import Objective
from vision.measures.perturbation import perturbed_losses
from vision.models.catalog import build
from vision.models.layers import scale_invariant
from workload.errors import ConfigError


def test_quadratic_losses_in_closed_form():
    """E S(gamma) = L + gamma^2/2 sum H_ii w_i^2, additive L + gamma^2/2 Tr H, within 4 errors."""
    w = torch.randn(20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    w.requires_grad_()
    hessian = symmetric(20, 1, torch.linspace(1, 3, 20))
    linear = torch.linspace(-1, 1, 20, dtype=torch.float64)
    objective = quadratic(hessian, w, linear)
    diagonal, loss = hessian.diag(), objective.loss()
    curvature = {
        "multiplicative": float((diagonal * w.detach() ** 2).sum()),
        "additive": float(diagonal.sum()),
    }
    for kind, value in curvature.items():
        for found in perturbed_losses(objective, kind, [0.5, 1.0], draws=2000):
            wanted = loss + found.gamma**2 / 2 * value
            assert abs(found.loss.value - wanted) < 4 * found.loss.error
            assert found.loss.error < 0.1 * (wanted - loss)
            assert found.difference == pytest.approx(found.loss.value - loss, rel=1e-12)


def test_draws_are_common():
    """For a linear loss every draw's difference is proportional to gamma, so the means are too."""
    w = torch.ones(10, dtype=torch.float64).requires_grad_()
    objective = quadratic(torch.zeros(10, 10, dtype=torch.float64), w, torch.ones(10).double())
    one, two = perturbed_losses(objective, "additive", [0.1, 0.2], draws=3)
    assert two.difference == pytest.approx(2 * one.difference, rel=1e-9)
    again, _ = perturbed_losses(objective, "multiplicative", [0.1, 0.2], draws=3)
    assert again.difference == pytest.approx(one.difference, rel=1e-9)  # w is 1
    (other,) = perturbed_losses(objective, "additive", [0.1], draws=3, seed=1)
    assert other.difference != pytest.approx(one.difference, rel=0.01)


def test_scale_of_normalised_kernels_matters_to_the_additive_measure_alone():
    """Batch normalisation of a batch without eps, in float64; kernels four times as large."""
    torch.manual_seed(0)
    model = build("resnet8", 10, "batch", 4).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-12
    images, labels = torch.randn(16, 3, 8, 8).double(), torch.randint(10, (16,))
    objective = Objective(
        list(model.parameters()), [lambda: functional.cross_entropy(model(images), labels)]
    )

    def measured(kind):
        return perturbed_losses(objective, kind, [0.1], draws=3)[0].loss.value

    before = {kind: measured(kind) for kind in ("multiplicative", "additive")}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in scale_invariant(model):
                parameter.mul_(4.0)
    assert measured("multiplicative") == pytest.approx(before["multiplicative"], rel=1e-9)
    assert abs(measured("additive") / before["additive"] - 1) > 1e-3


@pytest.mark.parametrize(
    ("gammas", "draws", "message"),
    [([0.1, 0.0], 2, "gamma: 0.0 is not above 0"), ([0.1], 0, "draws: 0 is not 1 or more")],
)
def test_mistakes(gammas, draws, message):
    w = torch.ones(2).requires_grad_()
    with pytest.raises(ConfigError, match=message):
        perturbed_losses(Objective([w], [lambda: w.sum()]), "additive", gammas, draws=draws)
