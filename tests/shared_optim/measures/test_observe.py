"""What a step reports, against plain loops over the elements."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from shared_optim import WeightDecayAdam, lambdas, observe_step
from shared_optim.decay_memory import REFERENCE_LAMBDA
from tests.shared_optim.reference import noise, parameters, train

NAMES = ("kernel", "bias")
SHAPES = (20, 30), (30,)
LAMBDA = 0.5


def optimizer_after(steps, dtype=torch.float64, **options):
    given = parameters(*SHAPES, dtype=dtype)
    pairs = list(zip(NAMES, given, strict=True))
    optimizer = WeightDecayAdam(pairs, lr=0.01, compile=False, **options)
    gradients = noise(*SHAPES, steps=steps + 1)
    train(optimizer, gradients[:-1])
    for parameter, gradient in zip(given, gradients[-1], strict=True):
        parameter.grad = gradient.to(dtype)
    return given, optimizer


def flat(tensors):
    return torch.cat([tensor.detach().flatten() for tensor in tensors]).double().numpy()


def test_observing_is_stepping():
    observed, watched = optimizer_after(3, separated=0.1)
    plain, unwatched = optimizer_after(3, separated=0.1)
    observe_step(watched)
    unwatched.step()
    for left, right in zip(observed, plain, strict=True):
        assert torch.equal(left, right)


def test_norms_and_cosine_are_those_of_the_whole_network_and_of_each_layer():
    given, optimizer = optimizer_after(3, decoupled=0.1)
    before, gradients = [p.detach().clone() for p in given], [p.grad for p in given]
    report = observe_step(optimizer).metrics()
    scopes = {
        "optim": slice(None),
        "optim/layer/kernel": slice(0, 1),
        "optim/layer/bias": slice(1, 2),
    }
    for prefix, layers in scopes.items():
        w, g, new = flat(before[layers]), flat(gradients[layers]), flat(given[layers])
        expected = {
            "weight_norm": np.linalg.norm(w),
            "gradient_norm": np.linalg.norm(g),
            "update_norm": np.linalg.norm(new - w),
            "cos_weight_gradient": -(w @ g) / np.linalg.norm(w) / np.linalg.norm(g),
            "elements": len(w),
        }
        for name, value in expected.items():
            assert report[f"{prefix}/{name}"] == pytest.approx(value, rel=1e-9), name


def test_quantiles_are_of_the_moment_after_over_the_weight_before():
    given, optimizer = optimizer_after(3)
    before = flat(given)
    report = observe_step(optimizer).metrics()
    moments = flat([optimizer.state[p]["exp_avg"] for p in given])
    logs = np.log(np.abs(moments / before))
    for percent in (1, 5, 25, 50, 75, 95, 99):
        expected = np.quantile(logs, percent / 100, method="inverted_cdf")
        assert report[f"optim/log_m_over_w/q{percent:02d}"] == pytest.approx(expected, abs=0.0039)


def test_quantiles_are_of_the_defined_rank():
    # Of 100 ratios 0.1, 0.2, ..., 10 (m = 0.1 * g, w = 1) the 5 % quantile is the fifth.
    theta = nn.Parameter(torch.ones(100))
    theta.grad = torch.arange(1.0, 101.0)
    report = observe_step(WeightDecayAdam([theta], compile=False)).metrics()
    for percent in (1, 5, 25, 50, 75, 95, 99):
        expected = pytest.approx(math.log(percent / 10), abs=0.0039)
        assert report[f"optim/log_m_over_w/q{percent:02d}"] == expected


def test_zero_weights_and_untouched_elements_are_counted_apart():
    theta = nn.Parameter(torch.tensor([0.0, 0.0, 1.0, 2.0, 3.0]))
    theta.grad = torch.tensor([1.0, 0.0, 0.0, 4.0, 6.0])
    report = observe_step(WeightDecayAdam([theta], compile=False)).metrics()
    assert report["optim/zero_weights"] == 2
    assert report["optim/untouched"] == 1
    assert report["optim/elements"] == 5
    # m = 0.1 * g, so both of the others have m/w = 0.2
    assert report["optim/log_m_over_w/q50"] == pytest.approx(math.log(0.2), abs=0.0039)


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_gradients_that_are_not_finite_make_no_weight_zero(odd):
    theta = nn.Parameter(torch.tensor([0.0, 1.0, 2.0, 3.0]))
    theta.grad = torch.tensor([1.0, 1.0, odd, odd])
    report = observe_step(WeightDecayAdam([theta], compile=False)).metrics()
    assert report["optim/zero_weights"] == 1
    assert report["optim/weight_norm"] == pytest.approx(math.sqrt(14))
    assert math.isnan(report["optim/drowned_fraction"])


def test_another_optimizer_is_not_observed():
    theta = nn.Parameter(torch.ones(3))
    with pytest.raises(TypeError, match="torch's Adam, AdamW and SGD, not for Adagrad"):
        observe_step(torch.optim.Adagrad([theta]))


def drowned_share(weights, moments, decay, inside):
    count = 0
    for w, m in zip(weights, moments, strict=True):
        if abs(decay * w) > abs(m - inside * w):
            count += 1
    return count / len(weights)


@pytest.mark.parametrize(
    ("scheme", "decay"),
    [("l2", LAMBDA), ("decoupled", LAMBDA), ("separated", LAMBDA), ("none", REFERENCE_LAMBDA)],
)
@pytest.mark.parametrize("steps", [0, 6])
def test_drowned_is_where_the_decay_outweighs_the_objective_in_m(scheme, decay, steps):
    given, optimizer = optimizer_after(steps, **lambdas(scheme, LAMBDA))
    weights = flat(given)
    report = observe_step(optimizer).metrics()
    moments = flat([optimizer.state[p]["exp_avg"] for p in given]) / (1 - 0.9 ** (steps + 1))
    expected = drowned_share(weights, moments, decay, decay if scheme == "l2" else 0.0)
    assert report["optim/drowned_fraction"] == expected
    if scheme != "none":
        assert 0.1 < expected < 0.9


def test_on_the_first_step_of_l2_drowned_is_lambda_w_above_the_gradient():
    given, optimizer = optimizer_after(0, l2=LAMBDA)
    weights, gradients = flat(given), flat([p.grad for p in given])
    expected = np.mean(LAMBDA * np.abs(weights) > np.abs(gradients))
    assert observe_step(optimizer).metrics()["optim/drowned_fraction"] == expected


@pytest.mark.parametrize("schedule", ["early:4", "late:4", "stuttered:3"])
def test_under_a_schedule_drowned_counts_the_decay_that_m_still_holds(schedule):
    # With weights at rest and no gradients m is nothing but decay: everything with a weight is
    # drowned while m holds any, and m minus the decay it holds is nothing.
    theta = nn.Parameter(torch.linspace(0.5, 2.0, 50, dtype=torch.float64))
    optimizer = WeightDecayAdam([theta], lr=0.0, l2=LAMBDA, schedule=schedule, compile=False)
    for t in range(1, 8):
        theta.grad = torch.zeros_like(theta)
        report = observe_step(optimizer).metrics()
        holds_decay = bool(optimizer.state[theta]["exp_avg"].any())
        assert report["optim/drowned_fraction"] == float(holds_decay), t


def test_a_member_reports_what_it_would_report_alone():
    chosen = [
        {"l2": 0.5, "decoupled": 0.0, "separated": 0.0},
        {"l2": 0.0, "decoupled": 0.0, "separated": 0.1},
        {"l2": 0.0, "decoupled": 0.0, "separated": 0.0},
    ]
    alone = [optimizer_after(4, dtype=torch.float32, **options) for options in chosen]
    layers = zip(*(given for given, _ in alone), strict=True)
    stacked = [nn.Parameter(torch.stack([p.detach() for p in layer])) for layer in layers]
    population = WeightDecayAdam(
        list(zip(NAMES, stacked, strict=True)),
        lr=0.01,
        compile=False,
        **{key: [options[key] for options in chosen] for key in chosen[0]},
    )
    for layer, parameter in enumerate(stacked):
        states = [optimizer.state[given[layer]] for given, optimizer in alone]
        parameter.grad = torch.stack([given[layer].grad for given, _ in alone])
        population.state[parameter] = {
            "step": [state["step"] for state in states],
            **{
                key: torch.stack([state.get(key, torch.zeros(SHAPES[layer])) for state in states])
                for key in ("exp_avg", "exp_avg_sq", "decay_exp_avg", "decay_exp_avg_sq")
            },
        }
    report = observe_step(population)
    for k, (_, optimizer) in enumerate(alone):
        assert report.metrics(k) == observe_step(optimizer).metrics()


def test_layers_without_names_are_numbered_and_those_without_gradients_left_out():
    first, second, third = parameters((3,), (3,), (3,))
    first.grad, third.grad = torch.ones(3), torch.ones(3)
    report = observe_step(WeightDecayAdam([first, second, third], compile=False))
    assert list(report.names) == ["0", "2"]


def test_inactive_members_are_left_alone():
    theta = nn.Parameter(torch.ones(2, 3))
    theta.grad = torch.tensor([[1.0] * 3, [torch.nan] * 3])
    optimizer = WeightDecayAdam([theta], l2=[0.1, 0.1], compile=False)
    report = observe_step(optimizer, active=[True, False])
    assert report.metrics(0)["optim/gradient_norm"] == pytest.approx(3**0.5)
    assert torch.equal(theta[1], torch.ones(3))


def test_the_norm_of_tiny_gradients_is_not_lost():
    weight = torch.nn.Parameter(torch.ones(100))
    weight.grad = torch.full((100,), 1e-25)
    report = observe_step(WeightDecayAdam([weight], compile=False))
    # |g| = sqrt(100) * 1e-25, whose square is below float32's range
    assert report.metrics()["optim/gradient_norm"] == pytest.approx(1e-24, rel=1e-6)


def test_nothing_to_observe_is_an_error():
    with pytest.raises(ValueError, match="no parameter has a gradient"):
        observe_step(WeightDecayAdam([torch.nn.Parameter(torch.ones(2))], compile=False))
