"""State of torch's Adam, AdamW and SGD for the optimizers of this package, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from shared_optim.schemes import MOMENTS, decaying
from shared_optim.sgd import MOMENTUM_BUFFER
from shared_optim.values import spread

_SCHEMES = {"l2": "Adam or SGD", "decoupled": "AdamW"}
_UNTRANSLATABLE = {
    "amsgrad": "the largest v so far, which it keeps, has no place here",
    "dampening": "torch's default, 0, is what there is here",
}


def from_torch(
    state_dict: Mapping[str, Any], scheme: str | None = None, steps: int = 0
) -> dict[str, Any]:
    """The state_dict of torch's Adam, AdamW or SGD as `WeightDecayAdam` or `WeightDecaySGD` loads
    it: training goes on with the same numbers, but for rounding.

    Buffers are shared with `state_dict`, not copied; `load_state_dict` copies. How the step is
    computed (`foreach`, `fused`, `capturable`, `differentiable`) is left out.

        optimizer = WeightDecayAdam(model.parameters())
        optimizer.load_state_dict(from_torch(torch.load("adamw.pt")["optimizer"]))

    Args:
        state_dict: of `torch.optim.Adam`, `AdamW` or `SGD`.
        scheme: `l2` (Adam) or `decoupled` (AdamW), for states of Adam or AdamW by a torch that did
            not write `decoupled_weight_decay` into them; else what they say.
        steps: how many steps were taken, which SGD does not count; a `schedule` reads it.

    Raises ValueError for the state of another optimizer, for `amsgrad`, and for `dampening` with a
    momentum.
    """
    groups = [_group_from_torch(group, scheme) for group in state_dict["param_groups"]]
    names = {
        number: MOMENTS if "betas" in group else (MOMENTUM_BUFFER,)
        for group in groups
        for number in group["params"]
    }
    state: dict[int, dict[str, Any]] = {}
    for number, own in state_dict["state"].items():
        if other := set(own) - {"step", *names[number]}:
            raise ValueError(
                f"parameter {number} has {', '.join(sorted(other))} in its state, as none of "
                "torch's Adam, AdamW and SGD keeps"
            )
        buffers = {name: own[name] for name in names[number] if own.get(name) is not None}
        state[number] = {"step": int(own.get("step", steps)), **buffers}
    return {"state": state, "param_groups": groups}


def to_torch(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """The state_dict of `WeightDecayAdam` or `WeightDecaySGD` as torch's optimizer loads it: Adam
    or SGD with `l2`, AdamW with `decoupled`, any of them without decay.

    Buffers are shared with `state_dict`, not copied.

    Raises ValueError for what torch's optimizers do not have: another scheme, several, a schedule,
    a population, eps inside the bias correction.
    """
    used = {
        name
        for group in state_dict["param_groups"]
        for name in decaying()
        if any(spread(group.get(name, 0.0), 1))
    }
    if len(used) > 1 or not used <= set(_SCHEMES):
        raise ValueError(
            f"torch's optimizers have no decay by {' and '.join(sorted(used))}; only l2 or "
            "decoupled, one for all groups, can be converted"
        )
    scheme = next(iter(used), None)
    groups = [_group_to_torch(group, scheme) for group in state_dict["param_groups"]]
    state: dict[int, dict[str, Any]] = {}
    for number, own in state_dict["state"].items():
        kept = {name: own[name] for name in (*MOMENTS, MOMENTUM_BUFFER) if name in own}
        # torch's SGD counts no steps
        counted = {"step": torch.tensor(float(own["step"]))} if MOMENTS[0] in own else {}
        state[number] = {**counted, **kept}
    return {"state": state, "param_groups": groups}


def _group_from_torch(group: Mapping[str, Any], scheme: str | None) -> dict[str, Any]:
    adam = {"betas", "eps", "amsgrad"} <= set(group)
    if not adam and not {"momentum", "dampening", "nesterov"} <= set(group):
        raise ValueError(
            f"a parameter group with the keys {', '.join(group)} is of none of torch's Adam, AdamW "
            "and SGD"
        )
    for key, said in _UNTRANSLATABLE.items():
        if group.get(key) and (adam or group["momentum"]):
            raise ValueError(f"{key}: {group[key]} cannot be converted: {said}")
    if adam:
        said_by_state = group.get("decoupled_weight_decay")
        if said_by_state is not None:
            scheme = "decoupled" if said_by_state else "l2"
        if scheme not in _SCHEMES:
            raise ValueError(
                "this state does not say whether it is Adam's or AdamW's; give scheme='l2' for "
                "Adam, scheme='decoupled' for AdamW"
            )
        own: dict[str, Any] = {
            "betas": tuple(group["betas"]),
            "eps": group["eps"],
            "eps_placement": "outside",
        }
    else:
        scheme = "l2"
        own = {"momentum": group["momentum"], "nesterov": group["nesterov"]}
    return {
        **_named(group),
        "lr": float(group["lr"]),
        **own,
        "maximize": group["maximize"],
        **dict.fromkeys(_SCHEMES, 0.0),
        scheme: float(group["weight_decay"]),
        "schedule": "always",
        "members": None,
    }


def _group_to_torch(group: Mapping[str, Any], scheme: str | None) -> dict[str, Any]:
    if group["members"]:
        raise ValueError(
            f"members: torch's optimizers know no population of {group['members']}; take one "
            "member's slice of every tensor and its own lambda"
        )
    if group["schedule"] != "always":
        raise ValueError(
            f"schedule: torch's optimizers have none, so {group['schedule']} cannot be converted; "
            "set it to always, and use DecaySchedule"
        )
    if group.get("eps_placement", "outside") != "outside":
        raise ValueError("eps_placement: hat cannot be converted; torch's Adam has eps outside")
    common = {
        **_named(group),
        "lr": float(group["lr"]),
        "weight_decay": group[scheme] if scheme else 0.0,
        "maximize": group["maximize"],
        "foreach": None,
        "fused": None,
        "differentiable": False,
    }
    if "momentum" in group:
        if scheme == "decoupled":
            raise ValueError("decoupled: torch's SGD has no decoupled decay; only l2 is its own")
        own = {key: group[key] for key in ("momentum", "nesterov")}
        return {**common, **own, "dampening": 0.0}
    said = {} if scheme is None else {"decoupled_weight_decay": scheme == "decoupled"}
    own = {"betas": tuple(group["betas"]), "eps": group["eps"]}
    return {**common, **own, "amsgrad": False, "capturable": False, **said}


def _named(group: Mapping[str, Any]) -> dict[str, Any]:
    return {key: group[key] for key in ("params", "param_names") if key in group}
