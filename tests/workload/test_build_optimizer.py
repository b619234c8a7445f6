"""The optimizer of a recipe against one that is built by hand."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from shared_optim import WeightDecayAdam, decay_groups
from shared_optim.learning_rates import Cosine
from workload.build_optimizer import build_optimizer, scheduled
from workload.member import Member
from workload.recipe import OptimizerRecipe

RECIPE = OptimizerRecipe(
    learning_rate=0.03,
    beta1=0.8,
    beta2=0.95,
    adam_eps=1e-6,
    eps_placement="hat",
    rounding="torch",
    decay_schedule="early:2",
)
BY_HAND = {
    "lr": 0.03,
    "betas": (0.8, 0.95),
    "eps": 1e-6,
    "eps_placement": "hat",
    "rounding": "torch",
    "schedule": "early:2",
}


def build(members, parameters, recipe=RECIPE):
    return build_optimizer(recipe, members, parameters, updates_per_epoch=3)


def trained(make, seed=0):
    """Weights after four steps on random gradients."""
    torch.manual_seed(seed)
    layer = nn.Linear(3, 2)
    optimizer = make(layer)
    for _ in range(4):
        for parameter in layer.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
    return [parameter.detach().clone() for parameter in layer.parameters()]


@pytest.mark.parametrize("scheme", ["l2", "decoupled", "separated"])
def test_every_key_of_the_recipe_reaches_the_optimizer(scheme):
    member = Member(scheme, 0.01, 0)
    ours = trained(lambda layer: build(member, list(layer.named_parameters())))
    theirs = trained(
        lambda layer: WeightDecayAdam(layer.named_parameters(), **BY_HAND, **{scheme: 0.01})
    )
    assert all(map(torch.equal, ours, theirs))


def test_groups_may_keep_parameters_from_decaying():
    member = Member("decoupled", 0.5, 0)
    weight, bias = trained(lambda layer: build(member, decay_groups(layer)))
    _, undecayed = trained(lambda layer: WeightDecayAdam(layer.named_parameters(), **BY_HAND))
    decayed, _ = trained(
        lambda layer: WeightDecayAdam(layer.named_parameters(), **BY_HAND, decoupled=0.5)
    )
    assert torch.equal(weight, decayed)
    assert torch.equal(bias, undecayed)


def test_each_member_of_a_population_has_its_own_lambda():
    members = [Member("none", 0.0, 0), Member("l2", 0.1, 0), Member("separated", 0.2, 1)]
    stacked = nn.Parameter(torch.zeros(3, 5))
    (group,) = build(members, [("w", stacked)]).param_groups
    assert (group["l2"], group["separated"]) == ([0.0, 0.1, 0.0], [0.0, 0.0, 0.2])
    assert group["decoupled"] == [0.0, 0.0, 0.0]


def test_epochs_of_a_schedule_are_those_of_the_workload():
    recipe = replace(RECIPE, decay_schedule="early:2epochs")
    layer = nn.Linear(3, 2)
    (group,) = build(Member("l2", 0.1, 0), list(layer.named_parameters()), recipe).param_groups
    assert group["schedule"] == "early:6"


def test_a_scheduler_gives_the_rate_of_every_update_from_wherever_it_begins():
    layer = nn.Linear(3, 2)
    rate = Cosine(20, warm_up=4, peak=0.03)
    for begun in (0, 7):
        optimizer = build(Member("l2", 0.1, 0), decay_groups(layer))
        scheduler = scheduled(optimizer, rate, begun)
        for update in range(begun, 20):
            assert {group["lr"] for group in optimizer.param_groups} == {rate(update)}
            optimizer.step()
            scheduler.step()
