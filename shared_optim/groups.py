"""Parameter groups: what a group may hold, lambdas from a scheme's name, what should not decay."""

import difflib
import math
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

from torch import Tensor, nn

from shared_optim.schedules import parse_schedule
from shared_optim.schemes import BASELINE, decaying

LAMBDAS = tuple(decaying())
PER_MEMBER = (*LAMBDAS, "schedule")
EPS_PLACEMENTS = ("outside", "hat")
ROUNDINGS = ("once", "torch")
ROUNDING_OF_SCHEDULERS = 1e-12
"""How far below 0 a learning rate may be: torch's LinearLR to 0 ends at -1e-21 or so."""

_NORMS = (
    nn.LayerNorm,
    nn.RMSNorm,
    nn.GroupNorm,
    nn.modules.batchnorm._NormBase,
)


def lambdas(scheme: str, weight_decay: float) -> dict[str, float]:
    """The lambdas of `WeightDecayAdam` from a scheme's name.

    `lambdas("l2", 1e-4) == {"l2": 1e-4, "decoupled": 0.0, "separated": 0.0}`; `none` gives zeros
    alone, whatever the weight decay. Raises ValueError for an unknown scheme.
    """
    if scheme not in (BASELINE, *LAMBDAS):
        raise ValueError(f"scheme: {scheme!r} is none of {BASELINE}, {', '.join(LAMBDAS)}")
    return {name: weight_decay if name == scheme else 0.0 for name in LAMBDAS}


def decay_groups(module: nn.Module, *, stacked: bool = False) -> list[dict[str, Any]]:
    """Up to two parameter groups: kernels and embeddings decay, biases and norms do not.

    A parameter does not decay when it has at most one axis (its population axis aside) or belongs
    to a normalisation layer. The groups carry the parameters' names; an empty one is left out.

    Args:
        module: its parameters that require gradients are grouped.
        stacked: whether parameters are [K, ...], one slice per member of a population.

    Raises TypeError for what is no module.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"decay_groups takes a module, not a {type(module).__name__}")
    of_norms = {
        parameter
        for layer in module.modules()
        if isinstance(layer, _NORMS)
        for parameter in layer.parameters(recurse=False)
    }
    decayed: list[tuple[str, Tensor]] = []
    kept: list[tuple[str, Tensor]] = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            is_vector = parameter.ndim - stacked <= 1
            (kept if is_vector or parameter in of_norms else decayed).append((name, parameter))
    groups: list[dict[str, Any]] = [
        {"params": decayed},
        {"params": kept, **dict.fromkeys(LAMBDAS, 0.0)},
    ]
    return [group for group in groups if group["params"]]


def normalised(group: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """`group` over `defaults`, checked, with plain numbers and strings that a state_dict can hold.

    `members` becomes K when any per-member value is a sequence, in the group or the defaults, and
    None otherwise; with K, every per-member value becomes a list of K. `weight_decay` becomes the
    largest lambda: a number for monitors to read, never read by the update.

    Raises ValueError naming the key, the value and what is allowed.
    """
    for key in map(str, group.keys() - PER_MEMBER):
        if near := difflib.get_close_matches(key, LAMBDAS, n=1, cutoff=0.8):
            raise ValueError(f"{key}: unknown in a parameter group; did you mean {near[0]}?")
    group = {**defaults, **group}
    values = {key: _plain(group[key]) for key in PER_MEMBER}
    lengths = {key: len(value) for key, value in values.items() if isinstance(value, list)}
    members = next(iter(lengths.values()), defaults.get("members"))
    if 0 in lengths.values():
        raise ValueError(f"per-member sequences are empty: {lengths}; all must be K > 0 long")
    if any(length != members for length in lengths.values()):
        raise ValueError(f"per-member sequences differ in length: {lengths}; all must be K long")
    for key, value in values.items():
        _check_each(key, value)
        group[key] = value if members is None or isinstance(value, list) else [value] * members
    _check_shared(group)
    largest = max(max(spread(group[key], 1)) for key in LAMBDAS)
    if group.get("weight_decay", largest) != largest:
        raise ValueError(
            f"weight_decay: {group['weight_decay']} names no scheme; "
            f"set {', '.join(LAMBDAS[:-1])} or {LAMBDAS[-1]} instead"
        )
    return {**group, "members": members, "weight_decay": largest}


def check_values(group: dict[str, Any]) -> None:
    """Raise ValueError as `normalised` does, for what was changed in a group since."""
    for key in PER_MEMBER:
        value = group[key] = _plain(group[key])
        if isinstance(value, list) and len(value) != group["members"]:
            raise ValueError(f"{key}: {len(value)} values for K = {group['members']}")
        _check_each(key, value)
    _check_shared(group)


def spread(value: Any, members: int) -> list[Any]:
    """One value per member: a list as it is, a single value `members` times."""
    return value if isinstance(value, list) else [value] * members


def acting_members(active: Sequence[bool] | Tensor | None, members: int | None) -> list[bool]:
    """Who takes a step, as a list of K (1 without a population): all where nobody is named.

    Raises ValueError where K are not named.
    """
    if active is None:
        return [True] * (members or 1)
    given = [bool(acts) for acts in active]
    if len(given) != members:
        raise ValueError(
            f"active: {len(given)} values for "
            + (f"a population of {members}" if members else "parameters that are no population")
        )
    return given


def check_parameters(parameters: Sequence[Tensor], members: int | None) -> None:
    """Raise ValueError for a complex parameter, or one that is not [K, ...] when K is given."""
    for parameter in parameters:
        shape = tuple(parameter.shape)
        if parameter.is_complex():
            raise ValueError(
                f"a parameter of shape {shape} is complex ({parameter.dtype}), which Adam's "
                "second moment does not define; optimize torch.view_as_real of it"
            )
        if members is not None and (not shape or shape[0] != members):
            raise ValueError(
                f"a parameter of shape {shape} is not stacked [K, ...] with K = {members}, "
                "the number of per-member values given"
            )


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        value = value.tolist()
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def _check_each(key: str, value: Any) -> None:
    for item in spread(value, 1):
        if key == "schedule":
            parse_schedule(str(item))
        else:
            _check_number(key, item)


def _check_number(key: str, value: Any, least: float = 0.0) -> None:
    try:
        number = math.nan if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= least):
        raise ValueError(f"{key}: {value} is not a finite number >= 0")


def _check_shared(group: dict[str, Any]) -> None:
    if isinstance(group["lr"], Tensor) and group["lr"].numel() != 1:
        raise ValueError("lr: a tensor must hold one element; per-member rates do not exist")
    _check_number("lr", group["lr"], least=-ROUNDING_OF_SCHEDULERS)
    _check_number("eps", group["eps"])
    betas = _plain(group["betas"])
    if not (
        isinstance(betas, list)
        and len(betas) == 2
        and all(isinstance(beta, float) and 0 <= beta < 1 for beta in betas)
    ):
        raise ValueError(f"betas: {group['betas']} are not two numbers from 0 to below 1")
    group["betas"] = tuple(betas)
    for key, allowed in (("eps_placement", EPS_PLACEMENTS), ("rounding", ROUNDINGS)):
        if group[key] not in allowed:
            raise ValueError(f"{key}: {group[key]!r} is neither {' nor '.join(allowed)}")
