"""A stack of K: every member as if it were alone, whatever happens to the others."""

import pytest
import torch
from torch import nn

from shared_optim import WeightDecayAdam
from tests.shared_optim.reference import noise, parameters

SHAPES = (6, 4), (4,), (2, 3, 3, 3)
MEMBERS = [
    {"l2": 0.1, "decoupled": 0.0, "separated": 0.0, "schedule": "always"},
    {"l2": 0.0, "decoupled": 0.2, "separated": 0.0, "schedule": "early:4"},
    {"l2": 0.0, "decoupled": 0.0, "separated": 0.3, "schedule": "late:3"},
    {"l2": 0.0, "decoupled": 0.0, "separated": 0.0, "schedule": "stuttered:2"},
]
K = len(MEMBERS)
TOGETHER = {key: [member[key] for member in MEMBERS] for key in MEMBERS[0]}
STEPS = 9


def stacked():
    members = [parameters(*SHAPES, seed=k) for k in range(K)]
    return [nn.Parameter(torch.stack(list(layer)).detach()) for layer in zip(*members, strict=True)]


def gradients(k):
    return [[g.float() for g in step] for step in noise(*SHAPES, steps=STEPS, seed=100 + k)]


def alone(k, steps=range(STEPS)):
    """Member k's parameters after the given ones of its gradients."""
    given = parameters(*SHAPES, seed=k)
    optimizer = WeightDecayAdam(given, lr=0.01, compile=False, **MEMBERS[k])
    for t in steps:
        for parameter, gradient in zip(given, gradients(k)[t], strict=True):
            parameter.grad = gradient
        optimizer.step()
    return given


def give(given, t, inactive=()):
    for i, parameter in enumerate(given):
        parameter.grad = torch.stack(
            [
                torch.full(SHAPES[i], torch.nan) if k in inactive else gradients(k)[t][i]
                for k in range(K)
            ]
        )


def assert_member(given, k, expected):
    for parameter, wanted in zip(given, expected, strict=True):
        assert torch.equal(parameter[k], wanted)


def test_a_stack_equals_separate_runs_bit_for_bit():
    given = stacked()
    optimizer = WeightDecayAdam(given, lr=0.01, compile=False, **TOGETHER)
    for t in range(STEPS):
        give(given, t)
        optimizer.step()
    for k in range(K):
        assert_member(given, k, alone(k))
    assert optimizer.state[given[0]]["step"] == [STEPS] * K


@pytest.mark.parametrize("as_tensor", [False, True])
def test_inactive_members_stand_still_whatever_their_gradients_hold(as_tensor):
    given = stacked()
    optimizer = WeightDecayAdam(given, lr=0.01, compile=False, **TOGETHER)
    taken = {k: [] for k in range(K)}
    for t in range(STEPS):
        inactive = {k for k in range(K) if (t + k) % 3 == 0}
        give(given, t, inactive)
        active = [k not in inactive for k in range(K)]
        optimizer.step(active=torch.tensor(active) if as_tensor else active)
        for k in set(range(K)) - inactive:
            taken[k].append(t)
    for k in range(K):
        assert_member(given, k, alone(k, taken[k]))
    assert optimizer.state[given[0]]["step"] == [len(taken[k]) for k in range(K)]


def test_a_member_that_is_nan_stays_alone_with_it():
    given = stacked()
    optimizer = WeightDecayAdam(given, lr=0.01, compile=False, **TOGETHER)
    for t in range(STEPS):
        give(given, t, inactive={1})
        optimizer.step()
    assert given[0][1].isnan().all()
    for k in (0, 2, 3):
        assert_member(given, k, alone(k))


def test_a_member_whose_decay_begins_late_has_the_buffers_it_has_alone():
    theta = nn.Parameter(
        torch.stack([p.detach() for k in range(2) for p in parameters((99,), seed=k)])
    )
    separate = [nn.Parameter(row.clone()) for row in theta.detach()]
    together = WeightDecayAdam([theta], l2=[0.0, 0.0], compile=False)
    apart = [WeightDecayAdam([p], compile=False) for p in separate]
    for t, (gradient,) in enumerate(noise((2, 99), steps=4)):
        if t == 3:
            together.param_groups[0]["separated"] = [0.1, 0.1]
        theta.grad = gradient.float()
        together.step()
        for k, optimizer in enumerate(apart):
            if t == 3:
                optimizer.param_groups[0]["separated"] = 0.1
            separate[k].grad = gradient[k].float()
            optimizer.step()
    for k, optimizer in enumerate(apart):
        for key in ("decay_exp_avg", "decay_exp_avg_sq"):
            assert torch.equal(together.state[theta][key][k], optimizer.state[separate[k]][key])


def test_a_single_value_holds_for_every_member():
    one, each = stacked(), stacked()
    for given, l2 in ((one, 0.1), (each, [0.1] * K)):
        optimizer = WeightDecayAdam(given, compile=False, l2=l2, decoupled=[0.2] * K)
        give(given, 0)
        optimizer.step()
    for left, right in zip(one, each, strict=True):
        assert torch.equal(left, right)


def test_lambdas_may_come_as_a_tensor():
    given = stacked()
    optimizer = WeightDecayAdam(given, compile=False, l2=torch.tensor([0.5, 0.0, 0.25, 0.125]))
    assert optimizer.param_groups[0]["l2"] == [0.5, 0.0, 0.25, 0.125]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"l2": [0.1, 0.2]}, r"\(4, 6, 4\) is not stacked \[K, ...\] with K = 2"),
        ({"l2": [0.1] * 4, "separated": [0.1] * 3}, "differ in length"),
        ({"l2": []}, "per-member sequences are empty"),
        ({"l2": [0.1] * 3 + [-1.0]}, "l2: -1.0 is not a finite number >= 0"),
        ({"l2": [0.1] * 4, "schedule": ["always"] * 3 + ["soon"]}, "schedule: 'soon'"),
    ],
)
def test_members_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        WeightDecayAdam(stacked(), **options)


def test_active_must_name_every_member():
    given = stacked()
    optimizer = WeightDecayAdam(given, compile=False, **TOGETHER)
    give(given, 0)
    before = given[0].detach().clone()
    with pytest.raises(ValueError, match="3 values for a population of 4"):
        optimizer.step(active=[True] * 3)
    assert torch.equal(given[0], before)


def test_one_network_has_no_active_members():
    (theta,) = parameters((3,))
    theta.grad = torch.ones(3)
    with pytest.raises(ValueError, match="no population"):
        WeightDecayAdam([theta], compile=False).step(active=[True])
