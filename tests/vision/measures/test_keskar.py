"""The largest loss in a box, where it is known."""

import itertools

import pytest
import torch

from tests.vision.measures.losses import quadratic, symmetric
from vision.measures.keskar import keskar_sharpness


def test_linear_loss_is_largest_in_a_corner():
    """max a.y = sum |a_i| epsilon (1 + |w_i|)."""
    w = torch.tensor([2.0, -3.0, 0.5], dtype=torch.float64).requires_grad_()
    a = torch.tensor([1.0, 2.0, -4.0], dtype=torch.float64)
    objective = quadratic(torch.zeros(3, 3, dtype=torch.float64), w, a)
    wanted = 0.01 * (1 * 3 + 2 * 4 + 4 * 1.5)
    found = keskar_sharpness(objective, epsilon=0.01, iterations=1)
    assert found == pytest.approx(wanted / (1 + objective.loss()), rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_convex_quadratic_against_all_corners(seed):
    """A convex function is largest in one of the 2^8 corners; from the gradient's on, ten steps
    come to at least 97 % of the highest, and never above."""
    torch.manual_seed(seed)
    w = torch.randn(8, dtype=torch.float64).requires_grad_()
    objective = quadratic(symmetric(8, seed, torch.rand(8) * 9), w)
    side = 0.05 * (1 + w.detach().abs())
    matrix_loss, before = objective._parts[0], objective.loss()
    heights = []
    with objective.kept() as (weights,):
        for signs in itertools.product((-1.0, 1.0), repeat=8):
            objective.move_to([weights + torch.tensor(signs, dtype=torch.float64) * side])
            heights.append(float(matrix_loss().detach()))
    wanted = (max(heights) - before) / (1 + before)
    found = keskar_sharpness(objective, epsilon=0.05)
    assert 0.97 * wanted <= found <= wanted * (1 + 1e-12)


def test_nothing_is_higher():
    """At a maximum the answer is 0, not below."""
    w = torch.zeros(3, dtype=torch.float64).requires_grad_()
    assert keskar_sharpness(quadratic(-torch.eye(3, dtype=torch.float64), w)) == 0
