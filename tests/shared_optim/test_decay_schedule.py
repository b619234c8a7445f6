"""A schedule around any optimizer, against the same weight decay written by hand at each step."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn

from shared_optim import DecaySchedule, Schedule, WeightDecayAdam, WeightDecaySGD
from shared_optim.schedules import multiplier
from shared_optim.schemes import decaying
from tests.shared_optim.reference import named, noise, parameters

SCHEDULES = ["always", "early:3", "late:3", "stuttered:4", "skipped:4"]
TORCHS = [
    lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.3),
    lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.3),
    lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.3),
    lambda p: torch.optim.RAdam(p, lr=0.01, weight_decay=0.3, decoupled_weight_decay=True),
    lambda p: torch.optim.RMSprop(p, lr=0.01, weight_decay=0.3),
]


def trained(optimizer, before_step=lambda t: None, after_step=lambda t: None, steps=9):
    """All parameters, one after the other, after some steps on the same noise."""
    given = [p for group in optimizer.param_groups for p in group["params"]]
    for t, gradients in enumerate(noise(*[p.shape for p in given], steps=steps), start=1):
        for parameter, gradient in zip(given, gradients, strict=True):
            parameter.grad = gradient.to(parameter.dtype)
        before_step(t)
        optimizer.step()
        after_step(t)
    return torch.cat([parameter.detach().flatten() for parameter in given])


@pytest.mark.parametrize("schedule", [*SCHEDULES, Schedule("early", 4), lambda t: 1 / t], ids=named)
@pytest.mark.parametrize("make", TORCHS)
def test_torchs_optimizers_decay_as_if_written_by_hand(make, schedule):
    s = multiplier(schedule)
    by_hand, ours = make(parameters((4, 3), (5,))), make(parameters((4, 3), (5,)))

    def write(t):
        for group in by_hand.param_groups:
            group["weight_decay"] = 0.3 * s(t)

    decay = DecaySchedule(ours, schedule)
    expected = trained(by_hand, before_step=write)
    assert torch.equal(trained(ours, after_step=lambda t: decay.step()), expected)


def test_each_group_keeps_its_own_weight_decay():
    first, second, third = parameters((3,), (3,), (3,))
    groups = [
        {"params": [first], "weight_decay": 0.1},
        {"params": [second], "weight_decay": 0.0},
        {"params": [third]},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.4)
    decay = DecaySchedule(optimizer, lambda t: 0.5**t)
    seen = [[group["weight_decay"] for group in optimizer.param_groups]]
    decay.step()
    seen.append([group["weight_decay"] for group in optimizer.param_groups])
    assert seen == [[0.05, 0.0, 0.2], [0.025, 0.0, 0.1]]


def test_a_group_that_is_added_later_is_scaled_from_the_next_step_on():
    first, second = parameters((3,), (3,))
    optimizer = torch.optim.AdamW([first], weight_decay=0.4)
    decay = DecaySchedule(optimizer, "early:1")
    optimizer.add_param_group({"params": [second], "weight_decay": 0.2})
    decay.step()
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0, 0.0]
    assert decay.state_dict() == {"t": 2, "initial": [0.4, 0.2]}


@pytest.mark.parametrize("schedule", [*SCHEDULES, lambda t: 1 / t], ids=named)
@pytest.mark.parametrize("scheme", decaying())
def test_around_ours_it_is_their_own_schedule(scheme, schedule):
    lam = {scheme: 0.3}
    own = WeightDecayAdam(parameters((4, 3), (5,)), lr=0.01, schedule=schedule, **lam)
    around = WeightDecayAdam(parameters((4, 3), (5,)), lr=0.01, **lam)
    decay = DecaySchedule(around, schedule)
    assert torch.equal(trained(around, after_step=lambda t: decay.step()), trained(own))


def test_around_ours_all_lambdas_of_all_members_are_scaled():
    def made(**schedule):
        lambdas = {"l2": [0.1, 0.0, 0.3], "decoupled": [0.0, 0.5, 0.2]}
        return WeightDecaySGD(parameters((3, 4)), lr=0.01, momentum=0.9, **lambdas, **schedule)

    around = made()
    decay = DecaySchedule(around, "early:4")
    expected = trained(made(schedule="early:4"))
    assert torch.equal(trained(around, after_step=lambda t: decay.step()), expected)


@pytest.mark.parametrize("first", ["optimizer", "schedule"])
@pytest.mark.parametrize(
    "make", [*TORCHS[:3], lambda p: WeightDecayAdam(p, lr=0.01, l2=0.1, separated=0.3)]
)
def test_training_goes_on_from_a_state_whichever_is_loaded_first(make, first, tmp_path):
    whole = make(parameters((4, 3)))
    decay = DecaySchedule(whole, "early:6")
    expected = trained(whole, after_step=lambda t: decay.step())

    part = make(parameters((4, 3)))
    decay = DecaySchedule(part, "early:6")
    gradients = noise((4, 3), steps=9)

    def go_on(optimizer, schedule, some):
        (weight,) = optimizer.param_groups[0]["params"]
        for (gradient,) in some:
            weight.grad = gradient.float()
            optimizer.step()
            schedule.step()
        return weight

    weight = go_on(part, decay, gradients[:7])
    torch.save([part.state_dict(), decay.state_dict(), weight.detach()], tmp_path / "state.pt")
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    later = make([nn.Parameter(saved[2].clone())])
    decay = DecaySchedule(later, "early:6")
    order = [(later, saved[0]), (decay, saved[1])]
    for loaded, state in order if first == "optimizer" else reversed(order):
        loaded.load_state_dict(state)
    assert torch.equal(go_on(later, decay, gradients[7:]).detach().flatten(), expected)


def test_a_schedule_made_after_the_optimizer_was_loaded_goes_on_too():
    optimizer = torch.optim.AdamW(parameters((3,)), weight_decay=0.4)
    decay = DecaySchedule(optimizer, "late:5")
    saved = optimizer.state_dict(), decay.state_dict()
    later = torch.optim.AdamW(parameters((3,)), weight_decay=0.4)
    later.load_state_dict(saved[0])
    assert later.param_groups[0]["weight_decay"] == 0
    decay = DecaySchedule(later, "late:5")
    decay.load_state_dict(saved[1])
    for _ in range(5):
        decay.step()
    assert later.param_groups[0]["weight_decay"] == 0.4


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))], ids=["copy", "pickle"]
)
@pytest.mark.parametrize("make", [TORCHS[0], lambda p: WeightDecayAdam(p, lr=0.01, decoupled=0.3)])
def test_a_copy_of_both_moves_on_by_itself(make, copied):
    optimizer = make(parameters((4, 3)))
    decay = DecaySchedule(optimizer, "early:2")
    later, its = copied((optimizer, decay))
    expected = trained(optimizer, after_step=lambda t: decay.step())
    assert torch.equal(trained(later, after_step=lambda t: its.step()), expected)


def test_what_cannot_be_scaled_is_refused():
    (weight,) = parameters((3,))
    with pytest.raises(ValueError, match="group 0 of LBFGS has no weight_decay"):
        DecaySchedule(torch.optim.LBFGS([weight]), "early:5")
    with pytest.raises(ValueError, match="group 0 has one of its own, late:5; make the optimizer"):
        DecaySchedule(WeightDecayAdam([weight], l2=0.1, schedule="late:5"), "early:5")
    adamw = torch.optim.AdamW([weight])
    with pytest.raises(ValueError, match="'sometimes' is none of always"):
        DecaySchedule(adamw, "sometimes")
    with pytest.raises(ValueError, match="early:5epochs counts epochs"):
        DecaySchedule(adamw, "early:5epochs")
    with pytest.raises(ValueError, match="s_1 = nan is not a finite number"):
        DecaySchedule(adamw, lambda t: math.nan)
    with pytest.raises(ValueError, match="2 weight decays for 1 parameter groups"):
        DecaySchedule(adamw, "always").load_state_dict({"t": 1, "initial": [0.1, 0.2]})
