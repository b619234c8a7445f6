"""Eigenvalues and traces of matrices that are known, and of small networks written out."""

import math

import pytest
import torch

from tests.vision.measures.losses import (
    dense_hessian,
    network_objective,
    quadratic,
    small_network,
    symmetric,
)
from vision.measures.hessian import extreme_eigenvalue, trace
from vision.measures.objective import Objective
from workload.errors import UserError


@pytest.mark.parametrize("seed", range(3))
def test_ends_of_the_spectrum_of_a_small_network(seed):
    model, images, targets = small_network(seed)
    values = torch.linalg.eigvalsh(dense_hessian(model, images, targets))
    objective = network_objective(model, images, targets)
    for end, wanted in (("top", values[-1]), ("bottom", values[0])):
        found = extreme_eigenvalue(objective, end, tolerance=1e-4)
        assert found.value == pytest.approx(float(wanted), rel=1e-6)


def test_a_dominant_negative_eigenvalue_is_not_the_top():
    """Of modulus 50 against 3: what power iteration would give."""
    w = torch.randn(40, dtype=torch.float64).requires_grad_()
    hessian = symmetric(40, 0, [-50.0, *[i / 13 for i in range(39)], 3.0][:40])
    wanted = torch.linalg.eigvalsh(hessian)
    objective = quadratic(hessian, w)
    top = extreme_eigenvalue(objective, "top", tolerance=1e-6)
    bottom = extreme_eigenvalue(objective, "bottom", tolerance=1e-6)
    assert top.value == pytest.approx(float(wanted[-1]), rel=1e-9)
    assert bottom.value == pytest.approx(-50, rel=1e-9)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_few_parameters(size):
    w = torch.zeros(size, dtype=torch.float64).requires_grad_()
    hessian = symmetric(size, 1)
    values = torch.linalg.eigvalsh(hessian)
    assert extreme_eigenvalue(quadratic(hessian, w), "top").value == pytest.approx(
        float(values[-1]), rel=1e-3
    )
    assert extreme_eigenvalue(quadratic(hessian, w), "bottom").value == pytest.approx(
        float(values[0]), rel=1e-3
    )


def test_loss_that_is_not_finite():
    w = torch.ones(5, requires_grad=True)
    with pytest.raises(UserError, match="diverged"):
        extreme_eigenvalue(Objective([w], [lambda: (w**2).sum() * math.inf]), "top")


def test_trace_of_a_diagonal_hessian_is_exact_with_one_probe():
    w = torch.randn(30, dtype=torch.float64).requires_grad_()
    diagonal = torch.linspace(-3, 5, 30, dtype=torch.float64)
    found = trace(quadratic(torch.diag(diagonal), w), probes=1)
    assert found.value == pytest.approx(float(diagonal.sum()), rel=1e-13)
    assert math.isnan(found.error)


def test_trace_is_unbiased_and_its_error_is_honest():
    """Over 200 probes within 3 standard errors; the variance is 2 * sum over i != j of H_ij^2."""
    model, images, targets = small_network(0)
    hessian = dense_hessian(model, images, targets)
    found = trace(network_objective(model, images, targets), probes=200)
    deviation = math.sqrt(2 * float((hessian**2).sum() - (hessian.diag() ** 2).sum()))
    assert found.error == pytest.approx(deviation / math.sqrt(200), rel=0.2)
    assert abs(found.value - float(hessian.trace())) < 3 * deviation / math.sqrt(200)


def test_other_libraries_agree():
    """curvlinops' Hessian and PyHessian's top eigenvalue, where they are installed."""
    curvlinops = pytest.importorskip("curvlinops")
    model, images, targets = small_network(2)
    operator = curvlinops.HessianLinearOperator(
        model, torch.nn.MSELoss(), list(model.parameters()), [(images, targets)]
    )
    objective = network_objective(model, images, targets)
    vector = torch.randn(objective.size, dtype=torch.float64)
    ours = objective.flat(objective.hessian_product(objective.shaped(vector)))
    torch.testing.assert_close(ours, operator @ vector, rtol=1e-10, atol=1e-12)
    pyhessian = pytest.importorskip("pyhessian")
    reference = pyhessian.hessian(model, torch.nn.MSELoss(), data=(images, targets), cuda=False)
    values = torch.linalg.eigvalsh(dense_hessian(model, images, targets))
    largest = values[values.abs().argmax()]  # what power iteration finds
    found = reference.eigenvalues(maxIter=1000, tol=1e-8)[0][0]
    assert found == pytest.approx(float(largest), rel=0.02)  # its steps become small early
    end = "top" if largest > 0 else "bottom"
    assert extreme_eigenvalue(objective, end).value == pytest.approx(float(largest), rel=1e-3)
