"""A step that repeats what the last one found out is the step that finds it out anew."""

import copy

import pytest
import torch
from torch import nn

from shared_optim import WeightDecayAdam, WeightDecaySGD
from shared_optim.repeat import Repeat
from tests.shared_optim.reference import noise, parameters

SHAPES = (3, 2), (4,), (2, 3, 2, 2)


def nothing(optimizer, given):
    pass


def another_learning_rate(optimizer, given):
    optimizer.param_groups[0]["lr"] = 0.003


def another_lambda(optimizer, given):
    optimizer.param_groups[0]["l2"] = 0.3


def buffers_that_were_not_needed(optimizer, given):
    optimizer.param_groups[0]["separated"] = 0.2


def data_elsewhere(optimizer, given):
    given[0].data = given[0].data.clone()


def data_in_another_order(optimizer, given):
    given[2].data = given[2].data.contiguous(memory_format=torch.channels_last)


def a_buffer_elsewhere(optimizer, given):
    state = optimizer.state[given[1]]
    for name, value in state.items():
        if isinstance(value, torch.Tensor):
            state[name] = value.clone()


def state_gone(optimizer, given):
    optimizer.state[given[0]].clear()


def all_state_gone(optimizer, given):
    optimizer.state.clear()


def steps_apart(optimizer, given):
    optimizer.state[given[0]]["step"] = 7


def steps_as_a_tensor(optimizer, given):
    optimizer.state[given[0]]["step"] = torch.tensor(7.0)


def loaded(optimizer, given):
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))


def another_group(optimizer, given):
    extra = nn.Parameter(torch.ones(5))
    extra.grad = torch.full((5,), 0.25)
    given.append(extra)
    optimizer.add_param_group({"params": [extra], "lr": 0.02})


def uncompiled(optimizer, given):
    optimizer.compile = False


EVENTS = [
    nothing,
    another_learning_rate,
    another_lambda,
    buffers_that_were_not_needed,
    data_elsewhere,
    data_in_another_order,
    a_buffer_elsewhere,
    state_gone,
    all_state_gone,
    steps_apart,
    steps_as_a_tensor,
    loaded,
    another_group,
    uncompiled,
]


def train(kind, event, gradients_of=lambda step, place, g: g):
    given = parameters(*SHAPES)
    given[2].data = given[2].data.contiguous(memory_format=torch.channels_last)
    optimizer = kind(given, lr=0.01, l2=0.1)
    for step, gradients in enumerate(noise(*SHAPES, steps=8)):
        for place, gradient in enumerate(gradients):
            given[place].grad = gradients_of(step, place, gradient.float())
        if step == 4:
            event(optimizer, given)
        try:
            optimizer.step()
        except (RuntimeError, TypeError, ValueError) as error:
            return str(error)
    buffers = [
        value
        for parameter in given
        for value in optimizer.state[parameter].values()
        if isinstance(value, torch.Tensor)
    ]
    steps = [optimizer.state[parameter].get("step") for parameter in given]
    return [parameter.detach() for parameter in given] + buffers, steps


def agree(one, other):
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return (
        len(one[0]) == len(other[0])
        and all(map(torch.equal, one[0], other[0]))
        and (one[1] == other[1])
    )


@pytest.fixture
def anew(monkeypatch):
    """Train without repeating anything."""

    def run(*arguments):
        with monkeypatch.context() as patched:
            patched.setattr(Repeat, "again", lambda *_: None)
            return train(*arguments)

    return run


@pytest.mark.parametrize("kind", [WeightDecayAdam, WeightDecaySGD])
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_whatever_happens_between_two_steps_is_seen(anew, kind, event):
    if kind is WeightDecaySGD and event is buffers_that_were_not_needed:
        pytest.skip("SGD has no such buffers")
    assert agree(train(kind, event), anew(kind, event))


def missing(step, place, gradient):
    return None if (step + place) % 3 == 0 else gradient


def out_of_order(step, place, gradient):
    if place == 2 and step % 2:
        return gradient.contiguous(memory_format=torch.channels_last)
    return gradient


def negated(step, place, gradient):
    return gradient if step < 3 else torch._neg_view(gradient)


@pytest.mark.parametrize("gradients", [missing, out_of_order, negated])
def test_gradients_of_another_kind_are_seen(anew, gradients):
    assert agree(
        train(WeightDecayAdam, nothing, gradients), anew(WeightDecayAdam, nothing, gradients)
    )


def test_members_that_take_turns_are_seen(anew):
    def run():
        given = [nn.Parameter(torch.arange(6.0).view(2, 3))]
        optimizer = WeightDecayAdam(given, lr=0.1, l2=[0.1, 0.2])
        for step in range(6):
            given[0].grad = torch.full((2, 3), 0.5)
            optimizer.step(active=[True, step % 2 == 0])
        return [given[0].detach()], optimizer.state[given[0]]["step"]

    repeated = run()
    assert repeated[1] == [6, 3]
    again, Repeat.again = Repeat.again, lambda *_: None
    try:
        assert agree(repeated, run())
    finally:
        Repeat.again = again


def test_steps_in_a_row_are_repeated(monkeypatch):
    found = []
    again = Repeat.again

    def noted(self, optimizer, active):
        found.append(again(self, optimizer, active))
        return found[-1]

    monkeypatch.setattr(Repeat, "again", noted)
    train(WeightDecayAdam, nothing)
    assert len(found) == 7
    assert all(work is not None for work in found)


def test_a_state_that_another_program_freed_is_not_used():
    given = parameters(*SHAPES)
    optimizer = WeightDecayAdam(given)
    for parameter in given:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    optimizer.state[given[0]]["exp_avg"] = None
    optimizer.step()
    assert optimizer.state[given[0]]["exp_avg"] is not None
