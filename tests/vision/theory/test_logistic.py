"""Separable logistic regression against closed forms, autograd and scipy."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from vision.theory.logistic import (
    angle,
    descend,
    flow,
    gradient,
    limit,
    max_margin,
    minimiser,
    separable_points,
)
from workload.errors import UserError

SYMMETRIC = np.array([[1.0, 1.0], [1.0, -1.0]])
"""By symmetry w = (s, 0) at all times, and L = log(1 + exp(-s))."""


def turned(points, by):
    return points @ np.array([[np.cos(by), np.sin(by)], [-np.sin(by), np.cos(by)]])


@pytest.mark.parametrize("by", [0.0, 1.0, 4.0])
def test_max_margin_of_points_on_a_line(by):
    """Points at distance 2 from a line through 0, on either side of the foot: m is half of the
    unit normal. One farther away does not count."""
    points = turned(np.array([[2.0, -3.0], [2.0, 5.0], [2.5, 1.0]]), by)
    assert max_margin(points) == pytest.approx([np.cos(by) / 2, np.sin(by) / 2], abs=1e-7)


def test_max_margin_with_one_support_vector():
    """m = z / |z|^2."""
    points = np.array([[3.0, 4.0], [6.0, 9.0]])
    assert max_margin(points) == pytest.approx([3 / 25, 4 / 25], abs=1e-7)


def test_points_that_no_line_separates():
    with pytest.raises(UserError, match="not separable"):
        max_margin(np.array([[1.0, 0.0], [-1.0, 0.1], [0.0, -1.0]]))
    with pytest.raises(UserError, match="1 support vectors where 2 are needed"):
        limit(np.array([[3.0, 4.0], [6.0, 9.0]]))


def test_gradient_is_autograds():
    points = separable_points(1)
    w = torch.tensor([0.3, -2.0], dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.softplus(-(torch.from_numpy(points) @ w)).mean()
    (expected,) = torch.autograd.grad(loss, [w])
    assert gradient(w.detach().numpy(), points) == pytest.approx(expected.numpy(), rel=1e-13)


def test_flow_of_symmetric_points_in_closed_form():
    """ds/dt = 1 / (1 + e^s), so s + e^s = t + 1."""
    times = np.array([0.1, 3.0, 1e3, 1e8, 1e15])
    s, across = flow(SYMMETRIC, 0.0, times).T
    assert s + np.exp(s) == pytest.approx(times + 1, rel=1e-6)
    assert across == pytest.approx(np.zeros(5), abs=1e-12)


def test_a_step_of_descent_by_hand():
    """From 0 every point pulls with half of its weight; then decay takes its share."""
    first, second = descend(SYMMETRIC, 0.5, 0.1, [1, 2])
    assert first == pytest.approx([0.25, 0])
    assert second == pytest.approx([0.25 + 0.5 * (1 / (1 + np.exp(0.25)) - 0.1 * 0.25), 0])


def test_descent_in_small_steps_is_flow():
    points = separable_points(0)
    coarse, fine = (
        np.abs(descend(points, rate, 1e-2, [round(20 / rate)]) - flow(points, 1e-2, np.array([20])))
        for rate in (0.02, 0.01)
    )
    assert fine.max() < 1e-3
    assert coarse.max() / fine.max() == pytest.approx(2, rel=0.05)  # an error of first order


@pytest.mark.parametrize("decay", [1.0, 1e-3, 1e-9])
def test_minimum_of_symmetric_points(decay):
    """lambda s = 1 / (1 + e^s), solved by scipy's brentq."""
    expected = brentq(lambda s: decay * s * (1 + np.exp(s)) - 1, 0, 40, xtol=1e-14)
    found = minimiser(SYMMETRIC, decay, np.zeros(2))
    assert found == pytest.approx([expected, 0], rel=1e-10, abs=1e-12)


def test_minimum_is_where_flow_with_decay_ends():
    points = separable_points(2)
    found = minimiser(points, 1e-3, np.zeros(2))
    assert flow(points, 1e-3, np.array([1e6]))[0] == pytest.approx(found, rel=1e-6)


def test_the_line_of_two_points_in_closed_form():
    """z = (1, p) and (1, -q): m = (1, 0) is (q z1 + p z2) / (p + q), and on the line
    w_2 (p + q) = log(p / q)."""
    p, q = 2.0, 0.7
    line = limit(np.array([[1.0, p], [1.0, -q]]))
    assert line.direction == pytest.approx([1, 0], abs=1e-7)
    assert line.offset == pytest.approx([0, np.log(p / q) / (p + q)], abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_descent_comes_to_the_line(seed):
    """angle * norm tends to the line's distance, on the way without decay and, with an error that
    falls as 1/norm, at the minimum with decay; so the angle falls as 1/log t."""
    points = separable_points(seed)
    line = limit(points)
    times = np.array([1e15, 1e30])
    early, late = flow(points, 0.0, times)
    assert angle(late, line.direction) * np.linalg.norm(late) == pytest.approx(
        line.angle_times_norm, rel=1e-3
    )
    ratio = angle(early, line.direction) / angle(late, line.direction)
    assert ratio == pytest.approx(2, rel=0.1)  # log 1e30 / log 1e15
    w, errors = np.zeros(2), []
    for decay in (1e-2, 1e-5, 1e-10, 1e-20):
        w = minimiser(points, decay, w)
        product = angle(w, line.direction) * np.linalg.norm(w)
        errors.append(abs(product / line.angle_times_norm - 1) * np.linalg.norm(w))
    assert errors[-1] == pytest.approx(errors[-2], rel=0.5)
    assert errors[-1] / np.linalg.norm(w) < 0.15


def test_angles():
    assert angle(np.array([1.0, 1.0]), np.array([1.0, 0.0])) == pytest.approx(np.pi / 4)
    assert angle(np.array([1.0, -1e-12]), np.array([1.0, 0.0])) == pytest.approx(1e-12)
    assert angle(np.array([-1.0, 0.0]), np.array([1.0, 0.0])) == pytest.approx(np.pi)


@pytest.mark.parametrize("seed", range(5))
def test_points_have_two_support_vectors_that_hold_the_direction(seed):
    points = separable_points(seed)
    margins = points @ max_margin(points)
    assert np.sort(margins)[:3] == pytest.approx([1, 1, np.sort(margins)[2]], abs=1e-6)
    assert np.sort(margins)[2] >= 1.5 - 1e-6
