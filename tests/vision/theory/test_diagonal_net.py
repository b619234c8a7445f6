"""The diagonal linear net: its Hessian, its training and what decay does, against closed forms and
torch."""

import numpy as np
import pytest
import torch

from shared_optim.sgd import WeightDecaySGD
from vision.theory.diagonal_net import (
    DROP_TO,
    START,
    Regression,
    Setting,
    settings,
    sparse_regression,
    train,
)


def test_the_trace_is_that_of_the_dense_hessian():
    """By torch.func, at a point far from any minimum."""
    problem = sparse_regression(0, samples=7, features=5, nonzero=2)
    inputs, targets = torch.from_numpy(problem.inputs), torch.from_numpy(problem.targets)
    w = np.random.default_rng(3).normal(size=10)

    def loss(w):
        return ((inputs @ (w[:5] * w[5:]) - targets) ** 2).mean() / 2

    hessian = torch.func.hessian(loss)(torch.from_numpy(w))
    assert problem.loss(w[:5], w[5:]) == pytest.approx(float(loss(torch.from_numpy(w))), rel=1e-14)
    assert problem.hessian_trace(w[:5], w[5:]) == pytest.approx(float(hessian.trace()), rel=1e-13)


def test_the_trace_where_it_can_be_counted():
    """x = (1, 2), u = (3, 0), v = (1, 1): 1 * (9 + 1) + 4 * (0 + 1)."""
    problem = Regression(np.array([[1.0, 2.0]]), np.array([5.0]), np.zeros(2))
    assert problem.hessian_trace(np.array([3.0, 0.0]), np.array([1.0, 1.0])) == 14


def test_the_test_error_is_that_on_unseen_inputs():
    problem = sparse_regression(0, samples=5, features=8, nonzero=3)
    random = np.random.default_rng(1)
    u, v = random.normal(size=(2, 8))
    unseen = random.normal(size=(100_000, 8))
    errors = (unseen @ (u * v) - unseen @ problem.truth) ** 2
    assert abs(problem.test_error(u, v) - errors.mean()) < 3 * errors.std() / np.sqrt(len(errors))


def test_the_truth_is_sparse_and_fits():
    problem = sparse_regression(4)
    assert problem.inputs.shape == (80, 200)
    assert np.count_nonzero(problem.truth) == 10
    assert problem.test_error(np.zeros(200), np.ones(200)) == pytest.approx(1)
    assert problem.loss(problem.truth, np.ones(200)) == 0


@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_training_is_the_optimizers(decay):
    """The same samples through autograd and WeightDecaySGD's l2, step by step in float64."""
    steps, setting = 60, Setting(0.03, decay, 60)
    problems = [sparse_regression(seed, 12, 9, 3) for seed in range(2)]
    (found,) = train(problems, [setting])
    for seed, problem in enumerate(problems):
        u = torch.full((9,), START, dtype=torch.float64, requires_grad=True)
        v = torch.zeros(9, dtype=torch.float64, requires_grad=True)
        optimizer = WeightDecaySGD([u, v], lr=0.03, l2=decay)
        order = np.random.default_rng([seed, 1])
        shares = [0.0]
        for step in range(steps):
            # one number at a time where training draws up to the next look at once
            place = int(order.integers(0, 12))
            if step == steps // 2:
                optimizer.param_groups[0]["lr"] = 0.03 * DROP_TO
            optimizer.zero_grad()
            output = (torch.from_numpy(problem.inputs[place]) * u * v).sum()
            ((output - problem.targets[place]) ** 2 / 2).backward()
            optimizer.step()
            shares.append(problem.loss(u.detach().numpy(), v.detach().numpy()))
        assert found.loss[seed, -1] == pytest.approx(shares[-1], rel=1e-10)
        middle = np.flatnonzero(found.shares == 0.5)
        assert found.loss[seed, middle] == pytest.approx(shares[steps // 2], rel=1e-10)


def test_settings_do_not_meet_each_other():
    """Side by side or alone, each gives the same numbers."""
    problems = [sparse_regression(seed, 12, 9, 3) for seed in range(2)]
    chosen = [Setting(0.01, 0.0, 400), Setting(0.05, 0.1, 400)]
    together = train(problems, chosen)
    for setting, found in zip(chosen, together, strict=True):
        (alone,) = train(problems, [setting])
        np.testing.assert_array_equal(alone.test_error, found.test_error)
        np.testing.assert_array_equal(alone.trace, found.trace)


@pytest.mark.parametrize(("target", "decay"), [(1.5, 0.2), (-1.5, 0.2), (0.1, 0.3)])
def test_decay_of_u_and_v_is_soft_thresholding_of_w(target, decay):
    """One sample, one feature: the minimum of (x w - y)^2/2 + lambda |w| is at
    sign(y) max(|x y| - lambda, 0) / x^2."""
    x = 1.3
    problem = Regression(np.array([[x]]), np.array([target]), np.zeros(1))
    (found,) = train([problem], [Setting(0.05, decay, 4000)])
    expected = max(abs(x * target) - decay, 0) / x**2
    # with truth 0 the test error is w^2
    assert np.sqrt(found.test_error[0, -1]) == pytest.approx(expected, abs=1e-6)


def test_controls_have_the_decay_of_the_largest_learning_rate():
    chosen = settings([0.005, 0.02, 0.04], [0.0, 1e-3], 1000)
    assert [setting.control for setting in chosen] == [""] * 6 + ["decay matched", "time matched"]
    for control in chosen[-2:]:
        assert control.learning_rate == 0.005
        assert control.learning_rate * control.decay * control.steps == pytest.approx(0.04)
    assert chosen[-1].decay == 1e-3


@pytest.mark.parametrize(("rates", "decays"), [([0.01], [1e-3]), ([0.01, 0.02], [0.0])])
def test_no_control_where_there_is_nothing_to_match(rates, decays):
    assert not any(setting.control for setting in settings(rates, decays, 10))


def test_what_diverges_is_not_a_number():
    (found,) = train([sparse_regression(0)], [Setting(5.0, 0.0, 200)])
    assert not np.isfinite(found.loss[0, -1])


@pytest.mark.parametrize("steps", [2, 3, 7, 500])
def test_the_plateau_is_before_the_drop(steps):
    """Of few steps as of many; the trace there is that of half of the steps without a drop."""
    (found,) = train([sparse_regression(0, 12, 9, 3)], [Setting(0.03, 0.0, steps)])
    assert found.shares[0] == 0
    assert found.shares[-1] == 1
    drop = np.flatnonzero(found.shares == steps // 2 / steps)[0]
    assert found.trace_before_drop[0] == found.trace[0, drop]
    before = found.loss[0, : drop + 1]
    assert before.min() <= found.plateau[0] <= before.max()
    if steps < 10:
        assert found.plateau[0] == found.loss[0, drop]
