"""Measures around any optimizer's step, against plain numpy over the elements."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from shared_optim import (
    Observation,
    Start,
    WeightDecayAdam,
    WeightDecaySGD,
    decay_groups,
    observe_step,
)
from shared_optim.measures import native
from tests.shared_optim.reference import noise, parameters, train

SHAPES = (20, 30), (31,)
MADE = {
    "ours": lambda p: WeightDecayAdam(p, lr=0.01, l2=0.5),
    "ours, decoupled": lambda p: WeightDecayAdam(p, lr=0.01, decoupled=0.5),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.5),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.5),
    "our SGD": lambda p: WeightDecaySGD(p, lr=0.01, momentum=0.9, l2=0.5),
    "SGD": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.5),
    "our plain SGD": lambda p: WeightDecaySGD(p, lr=0.01, l2=0.5),
    "plain SGD": lambda p: torch.optim.SGD(p, lr=0.01, weight_decay=0.5),
}


def ready(name, steps=3, dtype=torch.float64):
    """Parameters, optimizer, and all that a fourth step reads."""
    given = parameters(*SHAPES, dtype=dtype)
    optimizer = MADE[name](given)
    gradients = noise(*SHAPES, steps=steps + 1)
    train(optimizer, [[g.to(dtype) for g in step] for step in gradients[:-1]])
    for parameter, gradient in zip(given, gradients[-1], strict=True):
        parameter.grad = gradient.to(dtype)
    return given, optimizer


def flat(tensors):
    return torch.cat([tensor.detach().flatten() for tensor in tensors]).double().numpy()


@pytest.mark.parametrize("name", MADE)
def test_norms_growth_and_distance_are_those_of_the_elements(name):
    given, optimizer = ready(name)
    start = Start(optimizer)
    begun = flat(given)
    for _ in range(2):
        before, gradients = flat(given), flat([p.grad for p in given])
        figures = observe_step(optimizer, start=start).metrics()
        after = flat(given)
    expected = {
        "weight_norm": np.linalg.norm(before),
        "gradient_norm": np.linalg.norm(gradients),
        "update_norm": np.linalg.norm(after - before),
        "cross_term": 2 * before @ (after - before),
        "distance": np.linalg.norm(after - begun),
    }
    for key, value in expected.items():
        assert figures[f"optim/{key}"] == pytest.approx(value, rel=1e-9), key
    grown = figures["optim/cross_term"] + figures["optim/update_norm"] ** 2
    assert grown == pytest.approx(after @ after - before @ before, rel=1e-7)


@pytest.mark.parametrize(("ours", "torchs"), [("ours", "Adam"), ("ours, decoupled", "AdamW")])
def test_torchs_adam_reports_what_ours_does(ours, torchs):
    figures = []
    for name in (ours, torchs):
        _, optimizer = ready(name)
        figures.append(observe_step(optimizer).metrics())
    assert figures[1].keys() == figures[0].keys()
    assert figures[1] == pytest.approx(figures[0], rel=1e-6)


def test_plain_sgd_drowns_where_the_decay_is_above_the_gradient():
    for name in ("plain SGD", "our plain SGD"):
        given, optimizer = ready(name)
        weights, gradients = flat(given), flat([p.grad for p in given])
        expected = np.mean(0.5 * np.abs(weights) > np.abs(gradients))
        assert observe_step(optimizer).metrics()["optim/drowned_fraction"] == expected
        assert 0.1 < expected < 0.9


def test_what_sgds_buffer_holds_of_the_decay_is_not_the_objective():
    """With weights at rest and no gradients the buffer is nothing but decay, so all is drowned."""
    for momentum, steps in ((0.9, 1), (0.9, 30), (0.5, 7)):
        theta = nn.Parameter(torch.linspace(0.5, 2.0, 50, dtype=torch.float64))
        optimizer = WeightDecaySGD([theta], lr=0.0, momentum=momentum, l2=0.1)
        for _ in range(steps):
            theta.grad = torch.zeros_like(theta)
            report = observe_step(optimizer)
        total = (1 - momentum**steps) / (1 - momentum)
        buffer = optimizer.state[theta]["momentum_buffer"]
        torch.testing.assert_close(buffer, 0.1 * total * theta.detach())
        assert report.metrics()["optim/drowned_fraction"] == 1


def test_after_a_change_of_lambda_m_still_remembers_the_old_one():
    theta = nn.Parameter(torch.linspace(0.5, 2.0, 50, dtype=torch.float64))
    optimizer = WeightDecayAdam([theta], lr=0.0, l2=0.5)
    for t in range(12):
        if t == 8:
            optimizer.param_groups[0]["l2"] = 0.01
        theta.grad = torch.zeros_like(theta)
        figures = observe_step(optimizer).metrics()
        # weights at rest, no gradients: m is the decay of all steps, and all of it is drowned
        assert figures["optim/drowned_fraction"] == 1, t
    copy = WeightDecayAdam([theta], lr=0.0, l2=0.01)
    copy.load_state_dict(optimizer.state_dict())
    theta.grad = torch.zeros_like(theta)
    assert observe_step(copy).metrics()["optim/drowned_fraction"] == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", ["ours", "our SGD", "plain SGD"])
def test_c_measures_what_the_operators_do(name, dtype, monkeypatch):
    figures = []
    for function in (native._function, lambda *_: None):
        monkeypatch.setattr(native, "_function", function)
        _, optimizer = ready(name, dtype=dtype)
        figures.append(observe_step(optimizer, start=Start(optimizer)).metrics())
    assert figures[0] == pytest.approx(figures[1], rel=1e-12)
    assert figures[0].keys() == figures[1].keys()


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 1023, 1024, 1025, 2500])
def test_c_measures_layers_of_any_size(n, monkeypatch):
    figures = []
    for function in (native._function, lambda *_: None):
        monkeypatch.setattr(native, "_function", function)
        theta = nn.Parameter(torch.randn(2, n, generator=torch.Generator().manual_seed(n)))
        theta.data[:, :2] = 0.0
        theta.grad = torch.randn(2, n, generator=torch.Generator().manual_seed(n + 1))
        theta.grad[:, 1:3] = 0.0
        optimizer = WeightDecayAdam([theta], l2=[0.1, 0.2])
        report = observe_step(optimizer)
        figures.append([report.metrics(k) for k in range(2)])
    for mine, expected in zip(*figures, strict=True):
        assert mine == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_c_measures_many_layers_as_the_operators_do(monkeypatch):
    """More than are measured at once, by number and by size."""
    sizes = [*[5] * 300, 1500, 140_000, 7, 0, 3000]
    figures = []
    for function in (native._function, lambda *_: None):
        monkeypatch.setattr(native, "_function", function)
        random = torch.Generator().manual_seed(0)
        layers = [nn.Parameter(torch.randn(2, n, generator=random)) for n in sizes]
        for theta in layers:
            theta.data[:, :1] = 0.0
            theta.grad = torch.randn(theta.shape, generator=random)
        optimizer = WeightDecayAdam(layers, l2=[0.1, 0.2])
        report = observe_step(optimizer)
        figures.append([report.metrics(k) for k in range(2)])
    for mine, expected in zip(*figures, strict=True):
        assert mine == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_ratios_of_any_size_are_touched():
    theta = nn.Parameter(torch.tensor([1e20, 1e20, 1.0], dtype=torch.float32))
    theta.grad = torch.tensor([1e-23, 0.0, 1.0])
    report = observe_step(WeightDecayAdam([theta]))
    figures = report.metrics()
    # 0.1*1e-23/1e20 = 1e-44, which a histogram of float32 holds in its last bin
    assert figures["optim/untouched"] == 1
    assert report.counts.sum() == 2
    assert figures["optim/log_m_over_w/q01"] < math.log(1e-40)


def test_layers_of_one_name_are_told_apart():
    """Two modules in one optimizer, as actor and critic."""
    actor, critic = nn.Linear(3, 2), nn.Linear(3, 1)
    optimizer = WeightDecayAdam(decay_groups(actor) + decay_groups(critic))
    for parameter in (*actor.parameters(), *critic.parameters()):
        parameter.grad = torch.ones_like(parameter)
    weights = flat([*actor.parameters(), *critic.parameters()])
    report = observe_step(optimizer)
    assert report.names == ("weight", "bias", "weight (2)", "bias (2)")
    assert report.metrics()["optim/elements"] == 12
    assert report.metrics()["optim/weight_norm"] == pytest.approx(np.linalg.norm(weights))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["a", "a (2)", "a"], ("a", "a (2)", "a (3)")),
        (["a", "a", "a (2)"], ("a", "a (3)", "a (2)")),
        (["0", "1", "0"], ("0", "1", "0 (2)")),
    ],
)
def test_no_name_hides_a_layer(given, names):
    groups = []
    for name, parameter in zip(given, parameters((2,), (3,), (4,)), strict=True):
        parameter.grad = torch.ones_like(parameter)
        groups.append({"params": [(name, parameter)]})
    report = observe_step(torch.optim.AdamW(groups))
    assert report.names == names
    assert sum(key.endswith("/elements") for key in report.metrics()) == 4


def unlike_groups():
    population, single = parameters((3, 2), (3,))
    return WeightDecayAdam([{"params": population, "l2": [0.1, 0.2, 0.3]}, {"params": single}])


def sparse():
    optimizer = torch.optim.SGD(parameters((4,)), lr=0.1)
    optimizer.param_groups[0]["params"][0].grad = torch.ones(4).to_sparse()
    return optimizer


def newcomer():
    optimizer = torch.optim.SGD(parameters((4,)), lr=0.1)
    start = Start(optimizer)
    optimizer.param_groups[0]["params"] = parameters((5,))
    return optimizer, start


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (unlike_groups, ValueError, "of one population, and these groups have 1 and 3 members"),
        (sparse, RuntimeError, r"a gradient of shape \(4,\) is sparse"),
        (newcomer, ValueError, r"start: a parameter of shape \(5,\) has come since it was made"),
        (
            lambda: torch.optim.Adam([nn.Parameter(torch.ones(2, dtype=torch.complex64))]),
            ValueError,
            r"a parameter of shape \(2,\) is complex",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_before_the_step(make, error, said):
    made = make()
    optimizer, start = made if isinstance(made, tuple) else (made, None)
    given = [p for group in optimizer.param_groups for p in group["params"]]
    for parameter in given:
        if parameter.grad is None:
            parameter.grad = torch.ones_like(parameter)
    before = [parameter.detach().clone() for parameter in given]
    with pytest.raises(error, match=said):
        observe_step(optimizer, start=start)
    assert all(map(torch.equal, given, before))


def test_a_start_knows_its_parameters_and_not_their_addresses():
    """Python gives what is freed to what comes next, and so its id."""
    optimizer = torch.optim.SGD(parameters((4,)), lr=0.1)
    start = Start(optimizer)
    (old,) = optimizer.param_groups[0]["params"]
    (late,) = parameters((4,))
    start._weights[id(late)] = start._weights[id(old)]
    with pytest.raises(ValueError, match="has come since"):
        start.of(late)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_start_of_given_weights_copies_only_those_that_lie_otherwise(layout):
    (theta,) = parameters((2, 3, 4, 5))
    theta.data = theta.data.contiguous(memory_format=layout)
    optimizer = torch.optim.SGD([theta], lr=0.1)
    (given,) = (weights.detach() for weights in parameters((2, 3, 4, 5), seed=1))
    start = Start(optimizer, {theta: given})
    theta.grad = torch.ones_like(theta)
    distance = observe_step(optimizer, start=start).metrics()["optim/distance"]
    assert distance == pytest.approx(float((theta.detach() - given).norm()), rel=1e-6)
    assert (start.of(theta) is given) == (layout is torch.contiguous_format)


@pytest.mark.slow
def test_a_compiled_function_may_observe_a_step():
    reports = []
    for wrap in (lambda call: call, lambda call: torch.compile(call, backend="eager")):
        _, optimizer = ready("ours")
        reports.append(wrap(lambda own=optimizer: observe_step(own))().metrics())
    assert reports[0] == reports[1]


def test_a_parameter_of_any_layout_without_momentum_is_measured_by_its_elements():
    rows = []
    for lay_out in (torch.clone, lambda x: x.t().contiguous().t()):
        (theta,) = parameters((3, 4))
        theta.data = lay_out(theta.data)
        theta.grad = torch.arange(12.0).view(3, 4)
        rows.append(observe_step(torch.optim.SGD([theta], lr=0.1, weight_decay=0.5)).metrics())
    assert rows[0] == pytest.approx(rows[1], rel=1e-6)


def test_copies_are_taken_in_memory_that_others_have_left_and_in_no_other():
    (theta,) = parameters((1000,), dtype=torch.float32)
    optimizer = WeightDecayAdam([theta])

    def observed():
        theta.grad = torch.ones_like(theta)
        observation = Observation(optimizer)
        optimizer.step()
        observation.report()
        (held,) = observation._weights.values()
        return held

    first = observed()
    values, place = first.clone(), first.data_ptr()
    second = observed()
    assert second.data_ptr() != place
    assert torch.equal(first, values)
    assert not torch.equal(second, values)
    del first
    assert observed().data_ptr() == place


def test_a_closure_is_called_and_its_gradient_measured():
    theta = nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer = torch.optim.SGD([theta], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = theta.square().sum() / 2
        loss.backward()
        return loss

    figures = observe_step(optimizer, closure).metrics()
    assert figures["optim/gradient_norm"] == figures["optim/weight_norm"] == 5.0
    assert figures["optim/update_norm"] == 2.5


def test_an_observation_in_hooks_sees_what_observe_step_sees():
    figures = []
    for hooked in (True, False):
        _, optimizer = ready("AdamW")
        if not hooked:
            figures.append(observe_step(optimizer).metrics())
            continue
        seen = []
        optimizer.register_step_pre_hook(lambda o, *_, seen=seen: seen.append(Observation(o)))
        optimizer.register_step_post_hook(
            lambda o, *_, seen=seen: figures.append(seen.pop().report().metrics())
        )
        optimizer.step()
    assert figures[0] == figures[1]


def test_active_members_are_a_populations():
    _, optimizer = ready("AdamW")
    with pytest.raises(TypeError, match="active: a AdamW has no members"):
        observe_step(optimizer, active=[True])


def test_it_keeps_no_more_than_a_copy_of_the_parameters():
    """300 small tensors, 2.5 MB in all; what is allocated at its peak, by torch's own profiler."""
    shapes = [(64,) if i % 2 else (64, 64) for i in range(300)]
    given = parameters(*shapes, dtype=torch.float32)
    optimizer = WeightDecayAdam(given, l2=0.1)
    for _ in range(2):
        for parameter in given:
            parameter.grad = torch.ones_like(parameter)
        report = observe_step(optimizer)
    size = sum(parameter.nbytes for parameter in given)
    kept = report.counts.nbytes + report.sums.nbytes + report.logs.nbytes
    assert kept < 0.2 * size
    observation = Observation(optimizer)
    assert sum(copy.nbytes for copy in observation._weights.values()) == size


@pytest.mark.parametrize("kind", [WeightDecayAdam, WeightDecaySGD, torch.optim.AdamW])
def test_a_gradient_that_is_negated_lazily_is_measured_by_its_value(kind):
    reports = []
    for negate in (torch._neg_view, torch.neg):
        parameter = nn.Parameter(torch.tensor([1.0, -2.0, 3.0, 0.5, 4.0]))
        parameter.grad = negate(torch.tensor([0.5, 0.25, -1.0, 2.0, 3.0]))
        reports.append(observe_step(kind([parameter], lr=0.1)).metrics())
    assert reports[0] == reports[1]
    assert reports[0]["optim/cos_weight_gradient"] > 0
