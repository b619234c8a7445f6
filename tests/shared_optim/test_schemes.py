"""The registry of schemes: what every entry has, and what is said where units differ."""

import pytest
import torch

from shared_optim import WeightDecayAdam, lambdas
from shared_optim.schemes import BASELINE, SCHEMES, decaying, order, units_note
from workload.member import ConfigError, Member


def test_the_papers_four_stand_first_in_its_order():
    assert list(SCHEMES)[:4] == ["none", "l2", "decoupled", "separated"]
    assert all(name == scheme.name for name, scheme in SCHEMES.items())
    assert [order(name) for name in SCHEMES] == list(range(8))
    assert decaying() == list(SCHEMES)[1:]
    assert decaying("sgd") == ["l2", "decoupled", "proximal", "cautious", "corrected"]


def test_no_two_schemes_look_alike():
    assert len({scheme.colour for scheme in SCHEMES.values()}) == len(SCHEMES)
    assert len({scheme.marker for scheme in SCHEMES.values()}) == len(SCHEMES)


@pytest.mark.parametrize("name", SCHEMES)
def test_the_optimizer_keeps_the_buffers_that_the_registry_says(name):
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = WeightDecayAdam([parameter], lr=0.1, compile=False, **lambdas(name, 0.1))
    parameter.grad = torch.ones(3)
    optimizer.step()
    kept = {key for key, value in optimizer.state[parameter].items() if key != "step"}
    assert kept == set(SCHEMES[name].buffers)


@pytest.mark.parametrize("name", decaying())
def test_a_decay_in_the_gradient_is_inside_the_first_moment(name):
    """Without a gradient of the objective m is the decay, or nothing."""
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = WeightDecayAdam([parameter], lr=0.1, compile=False, **lambdas(name, 0.1))
    parameter.grad = torch.zeros(3)
    optimizer.step()
    moment = optimizer.state[parameter]["exp_avg"]
    assert bool(moment.any()) is SCHEMES[name].in_gradient


@pytest.mark.parametrize(
    ("name", "step"),
    [("decoupled", lambda w: 0.1 * 0.01 * w), ("separated", lambda w: 0.1 * 0.01 * w.sign())],
)
def test_lambda_moves_a_weight_by_its_unit(name, step):
    """One step at alpha 0.1 with and without lambda 0.01: apart by what lambda alone does."""
    weights = torch.tensor([4.0, -2.0, 0.5], dtype=torch.float64)
    after = []
    for decay in ({}, lambdas(name, 0.01)):
        parameter = torch.nn.Parameter(weights.clone())
        parameter.grad = torch.ones(3, dtype=torch.float64)
        WeightDecayAdam([parameter], lr=0.1, compile=False, **decay).step()
        after.append(parameter.detach())
    torch.testing.assert_close(after[0] - after[1], step(weights), rtol=1e-6, atol=0.0)
    formula = {"decoupled": "alpha * lambda * w", "separated": "alpha * lambda * sign(w)"}
    assert SCHEMES[name].unit.endswith(formula[name])


def test_units_are_told_where_two_differ_and_only_there():
    assert units_note(["none", "l2", "decoupled"]) == ""
    assert units_note(["separated", "l2"]) == ""
    assert units_note(["decoupled", "separated", "decoupled"]) == (
        "lambda is not one unit: separated moves a weight by about alpha * lambda * sign(w) per "
        "update, decoupled by alpha * lambda * w."
    )


def test_a_member_of_an_unknown_scheme_is_refused():
    with pytest.raises(ConfigError, match="scheme: 'adamw' is none of none, l2, decoupled"):
        Member("adamw", 1e-3, 0)
    assert Member(BASELINE, 0.0, 0).name == "none"
