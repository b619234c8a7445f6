"""Lambdas by the name of a scheme, and who decays in modules of every kind."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from shared_optim import WeightDecayAdam, WeightDecaySGD, decay_groups, lambdas
from shared_optim.schemes import decaying

ADAM = {scheme: lambda p, s=scheme: WeightDecayAdam(p, lr=0.1, **{s: 0.5}) for scheme in decaying()}
SGD = {
    f"SGD {scheme}": lambda p, s=scheme: WeightDecaySGD(p, lr=0.1, **{s: 0.5})
    for scheme in decaying("sgd")
}
TORCHS = {
    "torch AdamW": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.5),
    "torch Adam": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.5),
    "torch SGD": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.5),
}


class Vision(nn.Module):
    """A transformer for images in its parameters' names and shapes, with tied embeddings."""

    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(torch.ones(1, 1, 4))
        self.pos_embed = nn.Parameter(torch.ones(1, 5, 4))
        self.patches = nn.Conv2d(3, 4, 2)
        self.blocks = nn.ModuleList([nn.TransformerEncoderLayer(4, 2, 8) for _ in range(2)])
        self.norm = nn.LayerNorm((5, 4))
        self.head = nn.Linear(4, 7, bias=False)
        self.words = nn.Embedding(7, 4)
        self.words.weight = self.head.weight


def names(groups):
    """Names by the weight decay of their group."""
    return {group.get("weight_decay"): [name for name, _ in group["params"]] for group in groups}


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("none", {}),
        ("l2", {"l2": 0.1}),
        ("separated", {"separated": 0.1}),
        ("corrected", {"corrected": 0.1}),
    ],
)
def test_a_scheme_is_one_lambda(scheme, expected):
    assert lambdas(scheme, 0.1) == dict.fromkeys(decaying(), 0.0) | expected


def test_an_unknown_scheme_is_refused_with_what_is_allowed():
    with pytest.raises(ValueError, match="'adamw' is none of none, l2, decoupled, separated"):
        lambdas("adamw", 0.1)


def test_kernels_and_embeddings_decay_biases_and_norms_do_not():
    module = nn.Sequential(
        nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nn.Embedding(4, 2), nn.RMSNorm((2, 2)), nn.PReLU()
    )
    assert names(decay_groups(module)) == {
        None: ["0.weight", "2.weight"],
        0.0: ["0.bias", "1.weight", "1.bias", "3.weight", "4.weight"],
    }


def test_positions_and_class_tokens_decay_unless_they_are_named():
    module = Vision()
    everything = {name for name, _ in module.named_parameters()}
    decaying = set(names(decay_groups(module))[None])
    assert {"cls_token", "pos_embed"} < decaying
    kept = names(decay_groups(module, keep=("*pos_embed*", "*cls_token")))
    assert set(kept[None]) == decaying - {"cls_token", "pos_embed"}
    assert set(kept[None]) | set(kept[0.0]) == everything
    assert kept[None].count("head.weight") == 1  # tied


def test_weight_norms_magnitude_decays_unless_it_is_named():
    module = weight_norm(nn.Linear(3, 2))
    magnitude, direction = (f"parametrizations.weight.original{i}" for i in (0, 1))
    assert module.get_parameter(magnitude).shape == (2, 1)
    assert names(decay_groups(module)) == {None: [magnitude, direction], 0.0: ["bias"]}
    kept = names(decay_groups(module, keep=("*.original0",)))
    assert kept == {None: [direction], 0.0: ["bias", magnitude]}


def test_what_is_to_decay_by_name_goes_above_shape_and_above_what_is_kept():
    module = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    groups = decay_groups(module, keep=("*",), decay=("1.*", "0.bias"))
    assert names(groups) == {None: ["0.bias", "1.weight", "1.bias"], 0.0: ["0.weight"]}


def test_frozen_parameters_are_left_out_and_so_are_empty_groups():
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2, bias=False))
    module[0].requires_grad_(False)
    assert names(decay_groups(module)) == {None: ["1.weight"]}


def test_lambda_by_pattern_takes_the_first_that_fits_and_the_optimizers_elsewhere():
    module = Vision()
    groups = decay_groups(
        module,
        keep=("*pos_embed*", "*cls_token"),
        weight_decay={"blocks.0.*": 0.1, "blocks.*.linear*": 0.2, "head.*": 0.0},
    )
    optimizer = torch.optim.AdamW(groups, weight_decay=0.5)
    found = {
        name: group["weight_decay"]
        for group in optimizer.param_groups
        for name in group["param_names"]
    }
    assert found["blocks.0.linear1.weight"] == found["blocks.0.self_attn.in_proj_weight"] == 0.1
    assert found["blocks.1.linear1.weight"] == found["blocks.1.linear2.weight"] == 0.2
    assert found["blocks.1.self_attn.in_proj_weight"] == found["patches.weight"] == 0.5
    zero = ("head.weight", "pos_embed", "cls_token", "blocks.0.linear1.bias", "norm.weight")
    assert all(found[name] == 0 for name in zero)


@pytest.mark.parametrize("make", [*ADAM.values(), *SGD.values(), *TORCHS.values()],
                         ids=[*ADAM, *SGD, *TORCHS])  # fmt: skip
def test_every_optimizer_decays_what_shall_with_its_own_lambda(make):
    """Each parameter moves as it would alone, with the lambda that its group asks for."""

    def module():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2), nn.Linear(2, 2))

    def trained(parameters, optimizer):
        torch.manual_seed(1)
        for _ in range(3):
            for name, parameter in parameters:
                parameter.grad = torch.full_like(parameter, float(len(name)))
            optimizer.step()
        return {name: parameter.detach() for name, parameter in parameters}

    grouped = module()
    groups = decay_groups(grouped, weight_decay={"2.weight": 0.25})
    found = trained(list(grouped.named_parameters()), make(groups))
    for name, expected in (("0.weight", 0.5), ("2.weight", 0.25), ("0.bias", 0.0), ("1.weight", 0)):
        alone = [(name, module().get_parameter(name))]
        optimizer = make([alone[0][1]])
        optimizer.param_groups[0]["weight_decay"] = expected
        if "stable" in optimizer.param_groups[0] and optimizer.param_groups[0]["stable"]:
            continue  # it divides by a mean over all parameters
        assert torch.equal(found[name], trained(alone, optimizer)[name]), name
    assert not torch.equal(found["0.weight"], module()[0].weight)


def test_stable_decay_leaves_out_what_shall_not_decay():
    layer = nn.Linear(3, 2)
    optimizer = WeightDecayAdam(decay_groups(layer), lr=0.1, stable=0.5)
    before = {name: parameter.detach().clone() for name, parameter in layer.named_parameters()}
    for parameter in layer.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    # v^ is 1 everywhere: the decay is alpha*lambda*theta, the step alpha
    torch.testing.assert_close(layer.weight, before["weight"] * (1 - 0.05) - 0.1)
    torch.testing.assert_close(layer.bias, before["bias"] - 0.1)


@pytest.mark.parametrize(
    ("scheme", "lam"),
    [({"l2": 0.1, "decoupled": 0.2}, 0.2), ({"l2": [0.1, 0.3]}, 0.3), ({}, 0.0)],
)
def test_whatever_lambdas_are_in_use_kept_parameters_have_none(scheme, lam):
    module = nn.Module()
    module.weight, module.bias = (nn.Parameter(torch.ones(2, *shape)) for shape in ((3, 4), (5,)))
    decayed, kept = WeightDecayAdam(decay_groups(module, stacked=True), **scheme).param_groups
    assert (decayed["weight_decay"], decayed["param_names"]) == (lam, ["weight"])
    assert (kept["weight_decay"], kept["param_names"]) == (0.0, ["bias"])
    assert not any(torch.tensor(kept[name]).any() for name in decaying())


def test_a_population_decays_its_matrices_and_keeps_its_stacked_vectors():
    module = nn.Module()
    module.kernel, module.bias = (nn.Parameter(torch.ones(4, *shape)) for shape in ((3, 2), (3,)))
    assert names(decay_groups(module, stacked=True)) == {None: ["kernel"], 0.0: ["bias"]}
    assert names(decay_groups(module)) == {None: ["kernel", "bias"]}


@pytest.mark.parametrize("make", [ADAM["l2"], SGD["SGD l2"], TORCHS["torch AdamW"]])
def test_two_modules_share_an_optimizer(make):
    actor, critic = (nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2)) for _ in range(2))
    optimizer = make(decay_groups(actor) + decay_groups(critic))
    held = {p for group in optimizer.param_groups for p in group["params"]}
    assert held == {*actor.parameters(), *critic.parameters()}
    decays = {
        p for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]
    }
    assert decays == {actor[0].weight, critic[0].weight}


@pytest.mark.parametrize("make", [ADAM["decoupled"], SGD["SGD l2"], TORCHS["torch AdamW"]])
def test_a_state_dict_with_groups_can_be_loaded(make):
    module = Vision()
    groups = {"keep": ("*pos_embed*",), "weight_decay": {"blocks.0.*": 0.1}}
    optimizer = make(decay_groups(module, **groups))
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    other = make(decay_groups(module, **groups))
    other.load_state_dict(optimizer.state_dict())
    assert [g["weight_decay"] for g in other.param_groups] == [0.5, 0.1, 0.0]


@pytest.mark.parametrize(
    ("module", "options", "error", "said"),
    [
        (nn.Linear(2, 2), {"keep": ("*.bias",)}, ValueError, r"'\*.bias' fits no parameter"),
        (nn.Linear(2, 2), {"weight_decay": {"x": 1.0}}, ValueError, "'x' fits no parameter"),
        (nn.LazyLinear(2), {}, ValueError, "a lazy module has no shapes yet"),
        (list(nn.Linear(2, 2).parameters()), {}, TypeError, "takes a module, not a list"),
    ],
)
def test_what_cannot_be_grouped_is_refused(module, options, error, said):
    with pytest.raises(error, match=said):
        decay_groups(module, **options)


def test_a_lambda_by_pattern_needs_one_scheme():
    layer = nn.Linear(2, 2)
    groups = decay_groups(layer, weight_decay={"weight": 0.25})
    with pytest.raises(ValueError, match=r"weight_decay: 0.25 l2 and decoupled are in use; set"):
        WeightDecayAdam(groups, l2=0.1, decoupled=0.1)
    with pytest.raises(ValueError, match=r"weight_decay: 0.25 names no scheme; set l2, decoupled"):
        WeightDecayAdam(groups)
