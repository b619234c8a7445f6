"""A step in three calls is the step."""

import pytest
import torch

from shared_optim import WeightDecayAdam
from tests.shared_optim.reference import noise, parameters

SHAPES = (3, 40), (3,), (3, 2, 5)
ALONE = {"l2": 0.1, "decoupled": 0.2, "separated": 0.3, "schedule": "late:2"}
POPULATION = {
    "l2": [0.1, 0.0, 0.0],
    "decoupled": [0.0, 0.2, 0.0],
    "separated": [0.0, 0.0, 0.3],
    "schedule": ["always", "early:2", "stuttered:2"],
}


def optimizer_of(options, **settings):
    given = parameters(*SHAPES)
    return given, WeightDecayAdam(given, lr=0.01, **options, **settings)


def planned(given, optimizer, gradients, active=None):
    plan = optimizer.plan()
    table = None
    for step in gradients:
        # one tensor that is overwritten, as a captured graph reads it
        now = plan.coefficients(active)
        table = now.clone() if table is None else table.copy_(now)
        plan.apply([gradient.float() for gradient in step], table)
        plan.advance(active)


def stepped(given, optimizer, gradients, active=None):
    for step in gradients:
        for parameter, gradient in zip(given, step, strict=True):
            parameter.grad = gradient.float()
        optimizer.step(active=active)


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("options", [ALONE, POPULATION])
def test_a_gradient_in_bfloat16_is_read_as_it_is(options, compile):
    narrow = [[g.to(torch.bfloat16) for g in step] for step in noise(*SHAPES, steps=4)]
    given, optimizer = optimizer_of(options, compile=compile)
    plan = optimizer.plan({given[0]: torch.bfloat16, given[2]: torch.bfloat16})
    for step in narrow:
        plan.apply([step[0], step[1].float(), step[2]], plan.coefficients())
        plan.advance()
    expected, other = optimizer_of(options, compile=compile)
    stepped(expected, other, narrow)
    for mine, its in zip(given, expected, strict=True):
        assert torch.equal(mine, its)
        for key, value in other.state[its].items():
            assert torch.equal(torch.as_tensor(optimizer.state[mine][key]), torch.as_tensor(value))


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize(
    ("options", "active"), [(ALONE, None), (POPULATION, None), (POPULATION, [True, False, True])]
)
def test_it_equals_step_bit_for_bit(options, active, compile):
    gradients = list(noise(*SHAPES, steps=5))
    results = []
    for train in (planned, stepped):
        given, optimizer = optimizer_of(options, compile=compile)
        train(given, optimizer, gradients, active)
        states = [optimizer.state[p] for p in given]
        results.append((given, states))
    for mine, its in zip(*(given for given, _ in results), strict=True):
        assert torch.equal(mine, its)
    for mine, its in zip(*(states for _, states in results), strict=True):
        assert mine.keys() == its.keys()
        for key, value in its.items():
            assert torch.equal(torch.as_tensor(mine[key]), torch.as_tensor(value)), key


def test_steps_and_planned_steps_may_alternate():
    gradients = list(noise(*SHAPES, steps=6))
    mixed, optimizer = optimizer_of(ALONE)
    plan = optimizer.plan()
    for i, step in enumerate(gradients):
        if i % 2:
            plan.apply([g.float() for g in step], plan.coefficients())
            plan.advance()
        else:
            stepped(mixed, optimizer, [step])
    plain, reference = optimizer_of(ALONE)
    stepped(plain, reference, gradients)
    assert all(map(torch.equal, mixed, plain))


def test_a_changed_rate_or_lambda_is_in_the_next_table():
    _, optimizer = optimizer_of({"decoupled": 0.1})
    plan = optimizer.plan()
    before = plan.coefficients()
    optimizer.param_groups[0].update(lr=0.02, decoupled=0.3)
    after = plan.coefficients()
    # the field `decoupled` is lambda * alpha
    assert before[0, 10] == pytest.approx(0.1 * 0.01)
    assert after[0, 10] == pytest.approx(0.3 * 0.02)


def test_parameters_of_one_group_must_have_taken_the_same_steps():
    given, optimizer = optimizer_of({})
    given[0].grad = torch.ones_like(given[0])
    optimizer.step()
    with pytest.raises(ValueError, match=r"share dtype and steps taken.*step\(\) takes any"):
        optimizer.plan()


@pytest.mark.parametrize("change", ["state", "buffer", "separated"])
def test_other_buffers_need_another_plan(change):
    given, optimizer = optimizer_of({"decoupled": 0.1})
    plan = optimizer.plan()
    if change == "state":
        optimizer.load_state_dict(optimizer.state_dict())
    elif change == "buffer":
        optimizer.state[given[0]]["exp_avg"] = torch.zeros_like(given[0])
    else:
        optimizer.param_groups[0]["separated"] = 0.1
    with pytest.raises(RuntimeError, match="not those of the plan: make a new one"):
        plan.coefficients()
    optimizer.plan().coefficients()


def test_steps_of_other_parameters_cannot_be_measured():
    _, optimizer = optimizer_of(ALONE)
    with pytest.raises(ValueError, match=r"shape \(7, 2\) is not among those of the plan"):
        optimizer.plan().measure([[torch.nn.Parameter(torch.ones(7, 2))]])


def test_its_buffers_carry_no_graph():
    given, optimizer = optimizer_of(ALONE)
    optimizer.plan()
    for parameter in given:
        for value in optimizer.state[parameter].values():
            assert not (isinstance(value, torch.Tensor) and value.requires_grad)


def test_who_acts_is_named_for_every_member():
    _, optimizer = optimizer_of(POPULATION)
    plan = optimizer.plan()
    for call in (plan.coefficients, plan.advance):
        with pytest.raises(ValueError, match="active: 2 values for a population of 3"):
            call([True, False])


def test_one_table_cannot_serve_float64_and_float32():
    given = [torch.nn.Parameter(torch.ones(3, dtype=d)) for d in (torch.float64, torch.float32)]
    optimizer = WeightDecayAdam([{"params": [parameter]} for parameter in given])
    with pytest.raises(ValueError, match=r"parameters of float64 beside narrower.*step\(\) takes"):
        optimizer.plan()
