"""What a parameter group and a state_dict may hold, and what is said where they may not."""

import copy
import io
import math
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from shared_optim import Schedule, WeightDecayAdam, WeightDecaySGD
from tests.shared_optim.reference import noise, parameters, train


def with_gradient(*shape):
    (theta,) = parameters(shape)
    theta.grad = torch.ones(shape)
    return theta


def saved_and_loaded(state_dict):
    file = io.BytesIO()
    torch.save(state_dict, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


NUMBERS = [
    np.float32,
    np.float64,
    np.array,
    lambda value: np.array(value, np.float32),
    lambda value: torch.tensor(value, dtype=torch.float64),
    Decimal,
    Fraction,
]


@pytest.mark.parametrize(
    "number", NUMBERS, ids=["float32", "float64", "0-d", "0-d/32", "tensor", "decimal", "fraction"]
)
def test_a_number_of_any_kind_is_a_number(number):
    """Given or written later, as schedules computed with numpy do, and saved and loaded again."""
    values = {"lr": 0.125, "eps": 2**-20, "l2": 0.25, "decoupled": 0.5, "peak_lr": 0.5}
    theta, expected = with_gradient(3), with_gradient(3)
    optimizer = WeightDecayAdam(
        [theta],
        betas=(number(0.75), number(0.875)),
        **{key: number(value) for key, value in values.items()},
    )
    wanted = WeightDecayAdam([expected], betas=(0.75, 0.875), **values)
    optimizer.step()
    wanted.step()
    later = {"lr": 0.25, "eps": 2**-10, "l2": 0.5, "initial_lr": 1.0}
    for key, value in later.items():
        optimizer.param_groups[0][key] = number(value)
        wanted.param_groups[0][key] = value
    optimizer.param_groups[0]["betas"] = number(0.5), number(0.75)
    wanted.param_groups[0]["betas"] = 0.5, 0.75
    optimizer.step()
    wanted.step()
    assert torch.equal(theta, expected)
    (group,) = saved_and_loaded(optimizer.state_dict())["param_groups"]
    assert group == wanted.state_dict()["param_groups"][0]


def test_a_learning_rate_that_is_a_tensor_stays_one():
    rate = torch.tensor(0.125)
    theta = with_gradient(3)
    optimizer = WeightDecaySGD([theta], lr=rate)
    rate.fill_(0.5)
    before = theta.detach().clone()
    optimizer.step()
    assert torch.equal(theta, before - 0.5)
    assert optimizer.param_groups[0]["lr"] is rate
    (group,) = saved_and_loaded(optimizer.state_dict())["param_groups"]
    assert torch.equal(group["lr"], rate)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("wd", "wd: unknown in a parameter group; set l2"),
        ("L2", "L2: unknown in a parameter group; did you mean l2?"),
        ("lambda", "lambda: unknown in a parameter group; set l2"),
        ("decoupled_weight_decay", "decoupled_weight_decay: unknown in a parameter group; set l2"),
        ("weightdecay", "weightdecay: unknown in a parameter group; set l2"),
        ("decopled", "decopled: unknown in a parameter group; did you mean decoupled?"),
    ],
)
@pytest.mark.parametrize("optimizer", [WeightDecayAdam, WeightDecaySGD])
def test_what_looks_like_a_lambda_and_is_none_is_refused(optimizer, key, said):
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        optimizer([{"params": parameters((3,)), key: 0.1}])
    made = optimizer(parameters((3,)))
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        made.add_param_group({"params": parameters((3,)), key: 0.1})
    assert len(made.param_groups) == 1


def test_a_scheme_of_adam_is_none_of_sgd():
    with pytest.raises(ValueError, match="separated: no scheme of this optimizer; set l2"):
        WeightDecaySGD([{"params": parameters((3,)), "separated": 0.1}])
    with pytest.raises(TypeError, match="separated= is not taken: no scheme of this optimizer"):
        WeightDecaySGD(parameters((3,)), separated=0.1)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("weight_decay", "decoupled= for AdamW's and SGDW's, l2= for Adam's and SGD's"),
        ("foreach", "leave it out: all parameters are updated in one call"),
        ("fused", "leave it out: the update is one kernel"),
        ("capturable", r"capture the apply\(\) of plan\(\)"),
        ("differentiable", "leave it out: the update has no gradient"),
        ("amsgrad", "leave it out: the largest v"),
        ("dampening", "leave it out: torch.optim.SGD's default"),
        ("decoupled_weight_decay", "give lambda as decoupled= or l2="),
        ("L2", r"did you mean l2=\?"),
        ("sharpness", "no argument and no registered scheme"),
    ],
)
@pytest.mark.parametrize("optimizer", [WeightDecayAdam, WeightDecaySGD])
def test_arguments_of_torchs_optimizers_are_told_what_to_write_instead(optimizer, argument, said):
    with pytest.raises(
        TypeError, match=f"{optimizer.__name__}: {argument}= is not taken: .*{said}"
    ):
        optimizer(parameters((3,)), **{argument: False})


@pytest.mark.parametrize(
    "schedule",
    ["early:5", Schedule("early", 5), lambda t: float(t <= 5), lambda t: np.float32(t <= 5)],
    ids=["name", "object", "function", "numpy"],
)
def test_a_schedule_may_be_a_name_an_object_or_a_function(schedule):
    theta, expected = with_gradient(3), with_gradient(3)
    ours = WeightDecaySGD([theta], lr=0.5, l2=0.5, schedule=schedule)
    theirs = torch.optim.SGD([expected], lr=0.5, weight_decay=0.5)
    for t in range(8):
        theirs.param_groups[0]["weight_decay"] = 0.5 if t < 5 else 0.0
        ours.step()
        theirs.step()
    assert torch.equal(theta, expected)


@pytest.mark.parametrize("schedule", [Schedule("early", 0), Schedule("soon", 5), "soon:5", 5, None])
def test_a_schedule_that_is_none_is_refused_where_it_is_given(schedule):
    for given in (schedule, ["always", schedule]):
        with pytest.raises(ValueError, match="schedule:"):
            WeightDecayAdam(parameters((2, 3)), schedule=given)


def test_a_function_that_gives_no_number_stops_the_step_before_anything_changes():
    first, second = with_gradient(3), with_gradient(3)
    optimizer = WeightDecayAdam(
        [{"params": [first]}, {"params": [second], "schedule": lambda t: math.nan}], l2=0.1
    )
    before = first.detach().clone()
    with pytest.raises(ValueError, match="schedule: s_1 = nan"):
        optimizer.step()
    assert torch.equal(first, before)


def test_a_function_is_not_saved_and_has_to_be_given_again():
    def halves(t):
        return 0.5**t

    theta = with_gradient(2, 3)
    schedules = ["always", halves]
    optimizer = WeightDecayAdam([theta], l2=[0.1, 0.2], schedule=schedules)
    seen = []
    optimizer.register_state_dict_post_hook(
        lambda _, state: seen.append(state["param_groups"][0]["schedule"])
    )
    optimizer.step()
    saved = saved_and_loaded(optimizer.state_dict())
    assert seen == [["always", "callable"]]
    assert optimizer.param_groups[0]["schedule"] == schedules
    again = WeightDecayAdam([theta], l2=[0.0, 0.0], schedule=["always", halves])
    again.load_state_dict(saved)
    assert again.param_groups[0]["schedule"] == schedules
    without = WeightDecayAdam([theta], l2=[0.0, 0.0])
    with pytest.raises(ValueError, match="schedule: the state was saved with a function"):
        without.load_state_dict(saved)


def scheduled(t, steps):
    """A decay that rises from 0.04 to 0.4 by a cosine, and a rate that falls, as DINO has them."""
    fraction = (1 - math.cos(math.pi * t / steps)) / 2
    return np.float64(0.04 + 0.36 * fraction), np.float64(0.1 - 0.09 * fraction)


@pytest.mark.parametrize(
    ("make", "like"),
    [
        (lambda p: WeightDecayAdam(p, decoupled=0.04), lambda p: torch.optim.AdamW(p)),
        (lambda p: WeightDecayAdam(p, l2=0.04), lambda p: torch.optim.Adam(p)),
        (
            lambda p: WeightDecaySGD(p, momentum=0.9, l2=0.04),
            lambda p: torch.optim.SGD(p, momentum=0.9),
        ),
    ],
    ids=["AdamW", "Adam", "SGD"],
)
def test_weight_decay_written_at_each_step_acts_as_it_does_in_torch(make, like):
    decayed, kept = parameters((5,), (3,), dtype=torch.float64)
    copies = [nn.Parameter(p.detach().clone()) for p in (decayed, kept)]
    ours = make([{"params": [decayed]}, {"params": [kept], "weight_decay": 0.0}])
    theirs = like([{"params": [copies[0]]}, {"params": [copies[1]], "weight_decay": 0.0}])
    gradients = noise((5,), (3,), steps=30)
    for t, gradient in enumerate(gradients):
        for optimizer in (ours, theirs):
            decay, rate = scheduled(t, len(gradients))
            for place, group in enumerate(optimizer.param_groups):
                group["lr"] = rate
                if place == 0:
                    group["weight_decay"] = decay
            train(optimizer, [gradient])
    torch.testing.assert_close(decayed, copies[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(kept, copies[1], rtol=0, atol=1e-12)
    assert ours.param_groups[1]["weight_decay"] == 0.0


@pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        lambda optimizer: pickle.loads(pickle.dumps(optimizer)),
        lambda optimizer: loaded_into(WeightDecayAdam(parameters((3,)), decoupled=0.1), optimizer),
        lambda optimizer: optimizer,
    ],
    ids=["deepcopy", "pickle", "state_dict", "itself"],
)
def test_a_decay_that_was_written_to_0_may_come_back(copied):
    """A copy, or a run that goes on, knows as before which lambda it is."""
    optimizer = WeightDecayAdam([with_gradient(3)], decoupled=0.1)
    optimizer.param_groups[0]["weight_decay"] = 0.0
    optimizer.step()
    (group,) = copied(optimizer).param_groups
    group["weight_decay"] = 0.2
    assert (group["decoupled"], group["l2"], group["weight_decay"]) == (0.2, 0.0, 0.2)


def loaded_into(optimizer, other):
    optimizer.load_state_dict(other.state_dict())
    return optimizer


def test_weight_decay_is_refused_where_it_could_mean_several():
    theta = with_gradient(3)
    (group,) = WeightDecayAdam([theta], l2=0.1, decoupled=0.2).param_groups
    with pytest.raises(ValueError, match=r"weight_decay: 0\.3 l2 and decoupled are in use; set l2"):
        group["weight_decay"] = 0.3
    (group,) = WeightDecayAdam([with_gradient(2, 3)], l2=[0.1, 0.2]).param_groups
    with pytest.raises(ValueError, match=r"lambdas of their own; set l2 to a list of 2"):
        group["weight_decay"] = 0.3
    (group,) = WeightDecayAdam([with_gradient(2, 3)], l2=[0.1, 0.1]).param_groups
    group["weight_decay"] = 0.3
    assert group["l2"] == [0.3, 0.3]


@pytest.mark.parametrize("saved", [False, True])
def test_a_group_may_be_copied_into_another_key_by_key(saved):
    """As ZeroRedundancyOptimizer does at every step, whatever the order of the keys."""
    source = WeightDecayAdam([with_gradient(3)], lr=0.5, l2=0.3, decoupled=0.2)
    if saved:
        source.load_state_dict(saved_and_loaded(source.state_dict()))
    target = WeightDecayAdam([with_gradient(3)], lr=0.1, l2=0.1, decoupled=0.2)
    for key, value in source.param_groups[0].items():
        if key != "params":
            target.param_groups[0][key] = value
    assert target.state_dict()["param_groups"] == source.state_dict()["param_groups"]


@pytest.mark.parametrize("edit", [{"decoupled": 0.2}, {"weight_decay": 0.2}])
def test_a_copy_of_a_group_in_which_one_of_two_was_edited_is_refused(edit):
    """Either would be ignored, and which one is meant nobody can know."""
    optimizer = WeightDecayAdam([with_gradient(3)], decoupled=0.1)
    (group,) = optimizer.param_groups
    edited = {**group, **edit, "params": parameters((3,))}
    said = r"weight_decay: 0\.. contradicts decoupled: 0\.., which is as new; give one of them"
    with pytest.raises(ValueError, match=said):
        WeightDecayAdam([edited])
    if "decoupled" in edit:
        with pytest.raises(ValueError, match=said):
            group.update(edited)
    optimizer.step()
    group["weight_decay"] = 0.3
    assert group["decoupled"] == 0.3


def test_a_copy_of_a_group_without_decay_that_got_some_is_refused_with_its_old_0():
    (group,) = WeightDecayAdam([with_gradient(3)]).param_groups
    for edit in ({"l2": 0.1}, {"l2": 0.1, "separated": 0.1}):
        edited = {**group, **edit, "params": parameters((3,))}
        with pytest.raises(ValueError, match=r"weight_decay: 0\.0 contradicts l2: 0\.1"):
            WeightDecayAdam([edited])
    without = {"params": parameters((3,)), "weight_decay": 0.0}
    (group,) = WeightDecayAdam([without], l2=0.1, separated=0.1).param_groups
    assert (group["l2"], group["separated"]) == (0.0, 0.0)


def test_a_dict_of_somebody_else_among_the_groups_is_taken_and_checked():
    theta, expected = with_gradient(3), with_gradient(3)
    optimizer = WeightDecayAdam([theta], decoupled=0.1)
    optimizer.param_groups[0] = dict(optimizer.param_groups[0], lr=0.5)
    optimizer.step()
    WeightDecayAdam([expected], lr=0.5, decoupled=0.1).step()
    assert torch.equal(theta, expected)
    assert optimizer.param_groups[0]["weight_decay"] == 0.1
    optimizer.param_groups[0] = dict(optimizer.param_groups[0], decoupled=-1.0)
    with pytest.raises(ValueError, match=r"decoupled: -1\.0"):
        optimizer.step()


def test_a_group_with_a_rate_of_its_own_has_its_own_peak():
    one, other = with_gradient(3), with_gradient(3)
    optimizer = WeightDecayAdam([{"params": [one], "lr": 0.5}], lr=0.1, corrected=0.1)
    optimizer.add_param_group({"params": [other], "lr": 0.2, "peak_lr": 0.4})
    optimizer.step()
    assert [group["peak_lr"] for group in optimizer.param_groups] == [0.5, 0.4]
    alone = with_gradient(3)
    WeightDecayAdam([alone], lr=0.5, corrected=0.1).step()
    assert torch.equal(one, alone)


def test_a_rate_above_the_peak_is_refused_before_anything_changes():
    theta = with_gradient(3)
    optimizer = WeightDecayAdam([theta], lr=0.1, corrected=0.1)
    before = theta.detach().clone()
    optimizer.param_groups[0]["lr"] = 0.2
    with pytest.raises(ValueError, match=r"lr: 0\.2 is above peak_lr 0\.1"):
        optimizer.step()
    assert torch.equal(theta, before)


@pytest.mark.parametrize(
    ("make", "keys"),
    [
        (
            lambda p: WeightDecayAdam(p, lr=0.1, decoupled=0.1),
            ["separated", "stable", "schedule", "peak_lr", "rounding", "eps_placement", "maximize"],
        ),
        (
            lambda p: WeightDecaySGD(p, lr=0.1, momentum=0.9, decoupled=0.1),
            ["cautious", "schedule", "peak_lr", "rounding", "nesterov", "state_dtype"],
        ),
    ],
    ids=["Adam", "SGD"],
)
def test_the_state_of_a_version_that_knew_less_is_read(make, keys):
    """The keys that it lacks stay as they are; training goes on as with all."""
    theta = with_gradient(3)
    optimizer = make([theta])
    optimizer.step()
    saved = saved_and_loaded(optimizer.state_dict())
    for key in (*keys, "weight_decay"):
        del saved["param_groups"][0][key]
    other = nn.Parameter(theta.detach().clone())
    other.grad = theta.grad
    resumed = make([other])
    resumed.load_state_dict(saved)
    optimizer.step()
    resumed.step()
    assert torch.equal(theta, other)
    assert resumed.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]


@pytest.mark.parametrize(
    ("saved", "said"),
    [(0.1, "the state of a single run"), ([0.1, 0.2, 0.3], "the state of a population of 3")],
)
def test_a_state_of_another_number_of_members_is_refused(saved, said):
    theta = with_gradient(3, 2)
    state = WeightDecayAdam([theta], l2=saved).state_dict()
    population = WeightDecayAdam([with_gradient(2, 3)], l2=[0.5, 0.6])
    with pytest.raises(ValueError, match=f"members: {said} is none of a population of 2"):
        population.load_state_dict(state)
    assert population.param_groups[0]["l2"] == [0.5, 0.6]


def test_the_state_of_a_population_is_none_of_a_single_run():
    state = WeightDecayAdam([with_gradient(3, 2)], l2=[0.1, 0.2, 0.3]).state_dict()
    single = WeightDecayAdam([with_gradient(3, 2)], l2=0.5)
    with pytest.raises(ValueError, match="the state of a population of 3 is none of a single run"):
        single.load_state_dict(state)
    assert single.param_groups[0]["l2"] == 0.5


def test_a_set_has_no_order_for_members():
    with pytest.raises(ValueError, match=r"l2: \{.*\} is not a finite number"):
        WeightDecayAdam([with_gradient(3, 2)], l2={0.1, 0.2, 0.3})


@pytest.mark.parametrize("key", ["wd", "L2", "lamda", "decoupled_weight_decay", "seperated"])
def test_what_looks_like_a_lambda_is_refused_when_it_is_written_later(key):
    (group,) = WeightDecayAdam([with_gradient(3)], l2=0.1).param_groups
    writes = (
        lambda: group.__setitem__(key, 0.3),
        lambda: group.setdefault(key, 0.3),
        lambda: group.update({key: 0.3}),
    )
    for write in writes:
        with pytest.raises(ValueError, match=f"{key}: unknown in a parameter group"):
            write()
    group.setdefault("lr_scale", 0.5)
    assert key not in group
    assert group["lr_scale"] == 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_optimizers_that_load_one_state_do_not_share_it(dtype):
    """torch's do, where neither dtype nor device change."""
    thetas = parameters((3,), (3,), (3,), dtype=dtype)
    one, two, three = (WeightDecayAdam([theta], lr=0.1) for theta in thetas)
    train(one, noise((3,), steps=2))
    before = copy.deepcopy(one.state_dict())
    for other in (two, three):
        other.load_state_dict(one.state_dict())
        train(other, noise((3,), steps=2, seed=5))
    kept, moved = (optimizer.state_dict()["state"][0] for optimizer in (one, three))
    for name in ("exp_avg", "exp_avg_sq"):
        assert torch.equal(kept[name], before["state"][0][name])
        assert torch.equal(moved[name], two.state_dict()["state"][0][name])


def test_a_hook_may_convert_the_state_of_another_optimizer():
    """As torch's page on load_state_dict says of register_load_state_dict_pre_hook."""
    theta, expected = with_gradient(3), with_gradient(3)
    theirs = torch.optim.AdamW([expected], lr=0.1, weight_decay=0.2)
    theirs.step()
    theta.data.copy_(expected.data)
    ours = WeightDecayAdam([theta], decoupled=0.1)
    order = []

    def convert(optimizer, state_dict):
        order.append("converted")
        own = optimizer.state_dict()["param_groups"]
        for group, saved in zip(own, state_dict["param_groups"], strict=True):
            group |= {"lr": saved["lr"], "decoupled": saved["weight_decay"]}
        return {"state": state_dict["state"], "param_groups": own}

    ours.register_load_state_dict_pre_hook(convert)
    ours.register_load_state_dict_post_hook(lambda _: order.append("loaded"))
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
    assert order == ["converted", "loaded"]
    ours.step()
    theirs.step()
    torch.testing.assert_close(theta, expected)
    assert ours.state[theta]["step"] == 2


def test_a_hook_after_loading_sees_the_buffers_as_they_stay():
    theta = nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    theta.grad = torch.ones_like(theta)
    optimizer = WeightDecayAdam([theta])
    optimizer.step()
    seen = []
    optimizer.register_load_state_dict_post_hook(
        lambda own: seen.append(own.state[theta]["exp_avg"].dtype)
    )
    optimizer.load_state_dict(saved_and_loaded(optimizer.state_dict()))
    assert seen == [torch.float32]


def test_a_group_that_is_no_dict_is_refused():
    optimizer = WeightDecayAdam(parameters((3,)))
    with pytest.raises(TypeError, match="a parameter group is a dict, not a list"):
        optimizer.add_param_group(parameters((3,)))


def test_what_the_user_gave_is_left_as_it_was():
    given = {"params": parameters((3,)), "l2": np.float32(0.5)}
    optimizer = WeightDecayAdam([given])
    optimizer.param_groups[0]["l2"] = 0.25
    assert list(given) == ["params", "l2"]
    assert given["l2"] == 0.5
