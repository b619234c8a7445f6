"""Values of a parameter group: read from anybody's numbers, and checked."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from decimal import Decimal
from fractions import Fraction
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shared_optim.schedules import Schedule, parse_schedule
from shared_optim.schemes import SCHEMES

ROUNDING_OF_SCHEDULERS = 1e-12
"""How far below 0 a learning rate may be: torch's LinearLR to 0 ends at -1e-21 or so."""

CHOICES = {"eps_placement": ("outside", "hat"), "rounding": ("once", "torch")}
_NEVER_DECAY = {
    "wd",
    "lambda",
    "lambd",
    "lmbda",
    "lamda",
    "l2reg",
    "reg",
}  # in lower case, letters alone


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


def check_key(key: str, lambdas: Sequence[str]) -> None:
    """Refuse what looks like a lambda and would be kept without effect."""
    if key == "weight_decay":
        return
    letters = "".join(letter for letter in key.lower() if letter.isalnum())
    near = difflib.get_close_matches(key.lower(), lambdas, n=1, cutoff=0.8)
    if near:
        raise ValueError(f"{key}: unknown in a parameter group; did you mean {near[0]}?")
    if key in SCHEMES:
        raise ValueError(f"{key}: no scheme of this optimizer; {set_instead(lambdas)}")
    if "decay" in letters or letters in _NEVER_DECAY:
        raise ValueError(f"{key}: unknown in a parameter group; {set_instead(lambdas)}")


def set_instead(lambdas: Sequence[str]) -> str:
    """Advice for an error: which keys to write."""
    return f"set {', '.join(lambdas[:-1])} or {lambdas[-1]} instead"


def unboxed(value: Any) -> Any:
    """Numbers of numpy and exact ones as Python's, alone or in a tuple; all else as it is."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, (Decimal, Fraction)):
        return float(value)
    return tuple(map(unboxed, value)) if type(value) is tuple else value


def plain(value: Any) -> Any:
    """Numbers of torch and numpy as Python's, sequences as lists."""
    if isinstance(value, Tensor):
        value = value.tolist()
    if isinstance(value, (str, bool, Schedule)) or value is None:
        return value
    if isinstance(value, (Real, Decimal)):
        return float(value)
    if isinstance(value, Iterable) and not isinstance(value, (Set, Mapping)):
        if getattr(value, "ndim", 1) == 0:  # a 0-d array, which cannot be iterated over
            return plain(value.item())  # type: ignore[attr-defined]
        return [plain(item) for item in value]
    return value


def per_member(key: str, value: Any) -> Any:
    """A checked lambda or schedule, or a list of them."""
    value = plain(value)
    if key != "schedule":
        for item in spread(value, 1):
            check_number(key, item)
        return value
    each = [_schedule(item) for item in spread(value, 1)]
    return each if isinstance(value, list) else each[0]


def _schedule(value: Any) -> str | Callable[[int], float]:
    if callable(value) and not isinstance(value, Schedule):
        return value  # type: ignore[no-any-return]
    return str(parse_schedule(str(value)))


def check_number(key: str, value: Any, least: float = 0.0) -> None:
    """Raise ValueError for what is no finite number from `least` on."""
    try:
        number = math.nan if isinstance(value, (str, bool)) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= least):
        raise ValueError(f"{key}: {value} is not a finite number >= 0")


def check_shared(group: dict[str, Any]) -> None:
    """Raise ValueError for a value that all members share and that is out of range."""
    for key in ("eps", "momentum"):
        if key in group:
            check_number(key, group[key])
    if group["peak_lr"] is not None:
        check_number("peak_lr", group["peak_lr"])
    if "betas" in group:
        betas = plain(group["betas"])
        if not (
            isinstance(betas, list)
            and len(betas) == 2
            and all(isinstance(beta, float) and 0 <= beta < 1 for beta in betas)
        ):
            raise ValueError(f"betas: {group['betas']} are not two numbers from 0 to below 1")
        group["betas"] = tuple(betas)
    if group.get("nesterov") and not group["momentum"]:
        raise ValueError("nesterov: needs a momentum above 0")
    for key, allowed in CHOICES.items():
        if key in group and group[key] not in allowed:
            raise ValueError(f"{key}: {group[key]!r} is neither {' nor '.join(allowed)}")
    dtype = group["state_dtype"]
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ValueError(f"state_dtype: {dtype!r} is no floating dtype of torch")
