"""States of torch's optimizers taken over in the middle of a training, both ways, in float64."""

import pytest
import torch
from torch import nn

from shared_optim import WeightDecayAdam, WeightDecaySGD, from_torch, to_torch
from tests.shared_optim.reference import noise

SHAPES = ((4, 3), (3, 2, 5), (6,))
PAIRS = {
    "AdamW": (
        lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.3),
        WeightDecayAdam,
    ),
    "Adam": (lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.3), WeightDecayAdam),
    "Adam, maximize": (lambda p: torch.optim.Adam(p, lr=0.01, maximize=True), WeightDecayAdam),
    "AdamW, fused": (lambda p: torch.optim.AdamW(p, lr=0.01, fused=True), WeightDecayAdam),
    "SGD": (lambda p: torch.optim.SGD(p, lr=0.01, weight_decay=0.3), WeightDecaySGD),
    "SGD, momentum": (
        lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.3),
        WeightDecaySGD,
    ),
    "SGD, Nesterov": (
        lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.3),
        WeightDecaySGD,
    ),
}


def weights(values=None):
    if values is None:
        values = noise(*SHAPES, steps=1, seed=3)[0]
    return [nn.Parameter(value.detach().clone()) for value in values]


def grouped(parameters):
    """Two groups, the second with other values."""
    first, *others = parameters
    return [{"params": [first]}, {"params": others, "lr": 0.02, "weight_decay": 0.1}]


def train(optimizer, parameters, gradients):
    """Step with each gradient; a None leaves its parameter alone."""
    for step in gradients:
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = gradient
        optimizer.step()


def gradients():
    """Nine steps; the last parameter has no gradient in the first five."""
    found = noise(*SHAPES, steps=9)
    for step in found[:5]:
        step[-1] = None
    return found


def goes_on(first, second, convert):
    """Weights after nine steps with `first`, and after five with it and four with `second`."""
    whole, part = weights(), weights()
    train(first(grouped(whole)), whole, gradients())
    optimizer = first(grouped(part))
    train(optimizer, part, gradients()[:5])
    later = weights(part)
    other = second(grouped(later))
    other.load_state_dict(convert(optimizer.state_dict()))
    train(other, later, gradients()[5:])
    return whole, later


@pytest.mark.parametrize("name", PAIRS)
def test_training_goes_on_from_torchs_state(name):
    theirs, ours = PAIRS[name]

    # whatever it is made with comes from the state; a lambda so that groups can be made
    def second(groups):
        decay = "decoupled" if name.startswith("AdamW") else "l2"
        return ours(groups, lr=1.0, **{decay: 9.0})

    for whole, later in zip(*goes_on(theirs, second, from_torch), strict=True):
        torch.testing.assert_close(later, whole, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", PAIRS)
def test_training_goes_on_from_ours(name):
    theirs, ours = PAIRS[name]
    made = theirs(grouped(weights()))
    loadable = from_torch(made.state_dict())

    def first(groups):
        optimizer = ours(groups, **{"decoupled" if name.startswith("AdamW") else "l2": 1.0})
        optimizer.load_state_dict(loadable)
        return optimizer

    for whole, later in zip(*goes_on(first, theirs, to_torch), strict=True):
        torch.testing.assert_close(later, whole, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", PAIRS)
def test_there_and_back_is_the_same_state(name):
    theirs, _ = PAIRS[name]
    parameters = weights()
    optimizer = theirs(grouped(parameters))
    train(optimizer, parameters, gradients())
    before = optimizer.state_dict()
    other = theirs(grouped(parameters))
    other.load_state_dict(to_torch(from_torch(before)))
    after = other.state_dict()
    for number, state in before["state"].items():
        assert state.keys() == after["state"][number].keys()
        for key, value in state.items():
            assert value is None or torch.equal(value, after["state"][number][key])
    for group, back in zip(before["param_groups"], after["param_groups"], strict=True):
        execution = {"fused", "foreach", "capturable", "differentiable"}
        assert {k: v for k, v in group.items() if k not in execution} == {
            k: v for k, v in back.items() if k not in execution
        }


def test_names_of_parameters_are_kept():
    layer = nn.Linear(2, 3)
    state = torch.optim.AdamW(layer.named_parameters()).state_dict()
    optimizer = WeightDecayAdam(layer.named_parameters(), decoupled=1.0)
    optimizer.load_state_dict(from_torch(state))
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.param_groups[0]["decoupled"] == 0.01
    assert to_torch(optimizer.state_dict())["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_a_learning_rate_that_is_a_tensor_becomes_a_number_and_steps_are_counted():
    (weight,) = weights()[:1]
    theirs = torch.optim.Adam([weight], lr=torch.tensor(0.5), capturable=False, foreach=False)
    train(theirs, [weight], [step[:1] for step in noise(*SHAPES, steps=3)])
    found = from_torch(theirs.state_dict())
    assert found["param_groups"][0]["lr"] == 0.5
    assert found["state"][0]["step"] == 3


def test_the_state_of_a_torch_that_does_not_tell_adam_from_adamw_needs_the_scheme():
    state = torch.optim.AdamW(weights(), weight_decay=0.3).state_dict()
    del state["param_groups"][0]["decoupled_weight_decay"]
    with pytest.raises(ValueError, match="give scheme='l2' for Adam, scheme='decoupled' for AdamW"):
        from_torch(state)
    (group,) = from_torch(state, "decoupled")["param_groups"]
    assert (group["decoupled"], group["l2"]) == (0.3, 0.0)


def test_a_schedule_goes_on_after_the_steps_that_sgd_did_not_count():
    (weight,) = weights()[:1]
    theirs = torch.optim.SGD([weight], lr=0.1, momentum=0.5, weight_decay=0.3)
    train(theirs, [weight], [step[:1] for step in noise(*SHAPES, steps=3)])
    ours = WeightDecaySGD([weight], l2=1.0)
    ours.load_state_dict(from_torch(theirs.state_dict(), steps=3))
    assert ours.state[weight]["step"] == 3


@pytest.mark.parametrize(
    ("optimizer", "said"),
    [
        (lambda p: torch.optim.Adam(p, amsgrad=True), "amsgrad: True cannot be converted"),
        (
            lambda p: torch.optim.SGD(p, momentum=0.9, dampening=0.5),
            "dampening: 0.5 cannot be converted",
        ),
        (torch.optim.NAdam, "of none of torch's Adam, AdamW and SGD"),
        (torch.optim.RAdam, "of none of torch's Adam, AdamW and SGD"),
        (torch.optim.RMSprop, "of none of torch's Adam, AdamW and SGD"),
        (lambda p: WeightDecayAdam(p), "of none of torch's Adam, AdamW and SGD"),
    ],
)
def test_states_of_others_are_refused(optimizer, said):
    parameters = weights()
    made = optimizer(parameters)
    train(made, parameters, noise(*SHAPES, steps=1))
    with pytest.raises(ValueError, match=said):
        from_torch(made.state_dict())


def test_dampening_without_momentum_has_no_effect_and_is_no_obstacle():
    parameters = weights()
    theirs = torch.optim.SGD(parameters, lr=0.1, dampening=0.5)
    assert from_torch(theirs.state_dict())["param_groups"][0]["momentum"] == 0


@pytest.mark.parametrize(
    ("optimizer", "said"),
    [
        (lambda p: WeightDecayAdam(p, separated=0.1), "no decay by separated; only l2 or"),
        (lambda p: WeightDecayAdam(p, l2=0.1, decoupled=0.1), "by decoupled and l2; only"),
        (lambda p: WeightDecaySGD(p, decoupled=0.1), "torch's SGD has no decoupled decay"),
        (lambda p: WeightDecaySGD(p, proximal=0.1), "no decay by proximal"),
        (lambda p: WeightDecayAdam(p, l2=0.1, schedule="early:5"), "early:5 cannot be converted"),
        (lambda p: WeightDecayAdam(p, eps_placement="hat"), "eps_placement: hat"),
        (lambda p: WeightDecayAdam([nn.Parameter(torch.ones(2, 3))], l2=[0, 1]), "population of 2"),
    ],
)
def test_what_torch_does_not_have_is_refused(optimizer, said):
    with pytest.raises(ValueError, match=said):
        to_torch(optimizer(weights()).state_dict())


def test_states_of_the_other_optimizer_are_refused():
    adam, sgd = (make(weights(), l2=0.1) for make in (WeightDecayAdam, WeightDecaySGD))
    for one, other in ((adam, sgd), (sgd, adam)):
        with pytest.raises(ValueError, match="is another optimizer's; only a state_dict of"):
            one.load_state_dict(other.state_dict())
        with pytest.raises(ValueError, match="is another optimizer's; only a state_dict of"):
            one.load_state_dict(from_torch(to_torch(other.state_dict()), "l2"))
