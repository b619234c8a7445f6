"""What one network's weights do under the update: against the papers, torch and closed forms."""

import numpy as np
import pytest
import torch
from torch import nn

from shared_optim import WeightDecayAdam, lambdas, parse_schedule
from tests.shared_optim.reference import noise, parameters, train, trajectory

SHAPES = (5, 7), (3,), (), (2, 3, 2)
SCHEMES = ("none", "l2", "decoupled", "separated")


def eager(given, **options):
    return WeightDecayAdam(given, compile=False, **options)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"l2": 0.1}, lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1)),
        ({"decoupled": 0.1}, lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1)),
        (
            {"decoupled": 0.1, "rounding": "torch"},
            lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
        ),
        (
            {"l2": 0.1, "maximize": True, "betas": (0.8, 0.95), "eps": 1e-3},
            lambda p: torch.optim.Adam(
                p, lr=0.01, weight_decay=0.1, maximize=True, betas=(0.8, 0.95), eps=1e-3
            ),
        ),
    ],
)
def test_equals_torch_in_float64(ours, theirs):
    gradients = noise(*SHAPES, steps=50)
    results = train(eager(parameters(*SHAPES, dtype=torch.float64), lr=0.01, **ours), gradients)
    expected = train(theirs(parameters(*SHAPES, dtype=torch.float64)), gradients)
    for result, wanted in zip(results, expected, strict=True):
        torch.testing.assert_close(result, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("schedule", ["always", "early:7", "late:7", "stuttered:3"])
def test_all_decays_at_once_follow_the_formula(schedule):
    options = {"lr": 0.01, "l2": 0.2, "decoupled": 0.3, "separated": 0.4}
    (theta,) = parameters((40,), dtype=torch.float64)
    gradients = noise((40,), steps=20)
    expected = trajectory(
        theta.detach().numpy(),
        [g.numpy() for (g,) in gradients],
        multiplier=parse_schedule(schedule).multiplier,
        **options,
    )
    (result,) = train(eager([theta], schedule=schedule, **options), gradients)
    np.testing.assert_allclose(result.numpy(), expected, rtol=0, atol=1e-12)


def test_eps_hat_is_eps_over_the_root_of_the_second_bias_correction():
    eps, beta2 = 1e-2, 0.999
    hat, outside = parameters((30,), dtype=torch.float64), parameters((30,), dtype=torch.float64)
    ours = eager(hat, eps=eps, separated=0.1, eps_placement="hat")
    converted = eager(outside, eps=eps, separated=0.1)
    for t, gradients in enumerate(noise((30,), steps=10), start=1):
        converted.param_groups[0]["eps"] = eps / (1 - beta2**t) ** 0.5
        train(ours, [gradients])
        train(converted, [gradients])
    torch.testing.assert_close(hat[0], outside[0], rtol=0, atol=1e-12)


def test_without_lambda_all_schemes_are_bitwise_plain_adam():
    gradients = noise(*SHAPES, steps=20)
    plain = train(eager(parameters(*SHAPES), lr=0.01), gradients)
    buffered = eager(parameters(*SHAPES), lr=0.01, separated=1.0)
    buffered.param_groups[0]["separated"] = 0.0
    for optimizer in (buffered, eager(parameters(*SHAPES), lr=0.01, rounding="torch")):
        for result, expected in zip(train(optimizer, gradients), plain, strict=True):
            assert torch.equal(result, expected)


@pytest.mark.parametrize("scheme", ["l2", "decoupled"])
def test_float32_error_is_no_larger_than_torchs(scheme):
    shape, lr, weight_decay = (5_000,), 1e-3, 1e-2
    gradients = noise(shape, steps=300)
    torchs = torch.optim.Adam if scheme == "l2" else torch.optim.AdamW
    exact, theirs, ours = (
        train(make(parameters(shape, dtype=dtype)), gradients)[0].double()
        for make, dtype in (
            (lambda p: torchs(p, lr=lr, weight_decay=weight_decay), torch.float64),
            (lambda p: torchs(p, lr=lr, weight_decay=weight_decay), torch.float32),
            (lambda p: eager(p, lr=lr, **lambdas(scheme, weight_decay)), torch.float32),
        )
    )
    assert (ours - exact).abs().mean() <= 1.01 * (theirs - exact).abs().mean()


@pytest.mark.parametrize("scheme", ["decoupled", "separated"])
def test_scaling_the_loss_by_a_power_of_two_changes_nothing_outside_l2(scheme):
    gradients = noise((50,), steps=20)
    results = [
        train(
            eager(parameters((50,)), lr=0.01, eps=0.0, **lambdas(scheme, 0.1)),
            gradients,
            scale=scale,
        )[0]
        for scale in (1.0, 2.0**20)
    ]
    assert torch.equal(*results)


def test_scaling_the_loss_changes_l2():
    gradients = noise((50,), steps=20)
    one, other = (
        train(eager(parameters((50,)), lr=0.01, eps=0.0, l2=0.1), gradients, scale=scale)[0]
        for scale in (1.0, 2.0**20)
    )
    assert (one - other).abs().max() > 1e-3


def test_separated_scales_with_theta_and_alpha():
    gradients = noise((50,), steps=20)
    c = 8.0
    (small,), (large,) = parameters((50,)), parameters((50,))
    with torch.no_grad():
        large *= c
    train(eager([small], lr=0.01, eps=0.0, separated=0.3), gradients)
    train(eager([large], lr=0.01 * c, eps=0.0, separated=0.3), gradients)
    assert torch.equal(large, c * small)


def test_at_rest_the_corrected_decay_buffers_are_theta_and_its_square():
    (theta,) = parameters((20,), dtype=torch.float64)
    optimizer = eager([theta], lr=0.0, separated=0.1)
    for t, gradients in enumerate(noise((20,), steps=30), start=1):
        train(optimizer, [gradients])
        state = optimizer.state[theta]
        m, v = state["decay_exp_avg"] / (1 - 0.9**t), state["decay_exp_avg_sq"] / (1 - 0.999**t)
        torch.testing.assert_close(m, theta.detach(), rtol=1e-12, atol=0)
        torch.testing.assert_close(v, theta.detach() ** 2, rtol=1e-12, atol=0)


def test_the_first_separated_step_moves_theta_by_alpha_lambda_toward_zero():
    (theta,) = parameters((20,), dtype=torch.float64)
    before = theta.detach().clone()
    train(eager([theta], lr=0.01, eps=1e-30, separated=0.3), [[torch.zeros(20)]])
    torch.testing.assert_close(
        theta.detach(), before - 0.01 * 0.3 * before.sign(), atol=1e-15, rtol=0
    )


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_eps_a_weight_of_0_has_no_decay_of_its_own(compile, dtype):
    """0/0, and for the smallest, whose square is 0 in float32, a number over 0."""
    start = torch.tensor([0.0, -0.0, 1e-30, 1.0], dtype=dtype)
    results = []
    for separated in (0.0, 0.3):
        theta = nn.Parameter(start.clone())
        optimizer = WeightDecayAdam([theta], lr=0.01, eps=0.0, separated=separated, compile=compile)
        for _ in range(3):
            theta.grad = torch.ones_like(theta)
            optimizer.param_groups[0]["lr"] = 0.0  # the weights stay where they are
            optimizer.step()
        optimizer.param_groups[0]["lr"] = 0.01
        optimizer.step()
        results.append(theta.detach())
    plain, decayed = results
    expected = 0.003 if dtype == torch.float64 else 0.0
    torch.testing.assert_close(plain - decayed, torch.tensor([0, 0, expected, 0.003], dtype=dtype))


def test_without_eps_a_member_without_decay_is_plain_adam():
    """Its term is 0 times what the decay would be."""
    alone, stacked = (nn.Parameter(torch.zeros(shape)) for shape in ((3,), (2, 3)))
    for theta, separated in ((alone, 0.0), (stacked, [0.0, 0.1])):
        theta.grad = torch.ones_like(theta)
        WeightDecayAdam([theta], lr=0.01, eps=0.0, separated=separated).step()
    assert torch.equal(stacked[0], alone)


def test_without_eps_a_weight_without_gradients_is_nan_as_in_torch():
    results = []
    for make in (torch.optim.Adam, WeightDecayAdam):
        theta = nn.Parameter(torch.ones(2))
        theta.grad = torch.tensor([1.0, 0.0])
        make([theta], eps=0.0).step()
        results.append(theta.isnan().tolist())
    assert results == [[False, True]] * 2


def test_decay_begun_late_takes_theta_to_have_stood_still():
    (theta,) = parameters((20,), dtype=torch.float64)
    optimizer = eager([theta], lr=0.0)
    train(optimizer, noise((20,), steps=5))
    optimizer.param_groups[0]["separated"] = 0.1
    train(optimizer, noise((20,), steps=1))
    state = optimizer.state[theta]
    torch.testing.assert_close(state["decay_exp_avg"], (1 - 0.9**6) * theta.detach())
    torch.testing.assert_close(state["decay_exp_avg_sq"], (1 - 0.999**6) * theta.detach() ** 2)


def shrinkage(dtype, rounding):
    """sum(theta * lost) / sum(theta^2), lost to a decay of alpha * lambda = 2.5e-8 in 2,000 steps.

    Two members see the same noise as gradients, and only the second decays.
    """
    steps, n = 2_000, 4_096
    random = torch.Generator().manual_seed(0)
    start = 1 + torch.rand(n, generator=random)
    theta = nn.Parameter(start.repeat(2, 1).to(dtype))
    optimizer = eager([theta], lr=2.5e-4, decoupled=[0.0, 1e-4], rounding=rounding)
    for _ in range(steps):
        theta.grad = torch.randn(n, generator=random).expand(2, n).to(dtype)
        optimizer.step()
    lost = (theta[0] - theta[1]).detach().double()
    return float((start * lost).sum() / (start * start).sum())


@pytest.mark.slow
def test_a_decay_far_below_float32_resolution_acts_in_full_when_rounded_once():
    exact = shrinkage(torch.float64, "once")
    assert exact == pytest.approx(2_000 * 2.5e-8, rel=0.02)
    assert shrinkage(torch.float32, "once") == pytest.approx(exact, rel=0.01)


def test_the_same_decay_does_nothing_when_rounded_as_torch_does():
    (theta,) = parameters((1_000,))
    (expected,) = parameters((1_000,))
    gradients = noise((1_000,), steps=10)
    train(eager([theta], lr=2.5e-4, decoupled=1e-4, rounding="torch"), gradients)
    train(eager([expected], lr=2.5e-4, rounding="torch"), gradients)
    assert torch.equal(theta, expected)


def test_narrow_dtypes_are_updated_in_float32_and_rounded_once():
    given = [
        *parameters((30,), dtype=torch.bfloat16),
        *parameters((30,), dtype=torch.float16),
        *parameters((30,), dtype=torch.float64),
    ]
    before = [p.detach().clone().double().numpy() for p in given]
    gradients = noise((30,), (30,), (30,), steps=1)
    options = {"lr": 0.01, "l2": 0.2, "decoupled": 0.3, "separated": 0.4}
    train(eager(given, **options), gradients)
    for parameter, start, gradient in zip(given, before, gradients[0], strict=True):
        exact = trajectory(start, [gradient.to(parameter.dtype).double().numpy()], **options)
        wanted = torch.from_numpy(exact).float().to(parameter.dtype)
        if parameter.dtype == torch.float64:
            wanted = torch.from_numpy(exact)
        tolerance = 1e-15 if parameter.dtype == torch.float64 else 0
        torch.testing.assert_close(parameter.detach(), wanted, rtol=0, atol=tolerance)
