"""A parameter group: what it may hold, what writing its `weight_decay` means, what it asks for."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shared_optim.decay import MemberDecay
from shared_optim.rule import Variant
from shared_optim.schedules import Schedule, ScheduleLike, multiplier, parse_schedule
from shared_optim.schemes import SCHEMES

Schedules = ScheduleLike | Sequence[ScheduleLike]

CALLABLE = "callable"
"""What a state_dict says of a schedule that is a function, which it cannot hold."""

ROUNDING_OF_SCHEDULERS = 1e-12
"""How far below 0 a learning rate may be: torch's LinearLR to 0 ends at -1e-21 or so."""

REFERENCE_LAMBDA = 1e-3
"""At which lambda a member without decay reports what would drown: the largest of Table 1."""

_SHARED = ("betas", "momentum", "nesterov", "eps", "maximize", "peak_lr", "state_dtype")
_CHOICES = {"eps_placement": ("outside", "hat"), "rounding": ("once", "torch")}
_NEVER_DECAY = {"wd", "lambda", "lambd", "lmbda", "l2reg", "reg"}  # in lower case, letters alone


class Group(dict[str, Any]):
    """A parameter group whose `weight_decay` is its largest lambda, for monitors to read.

    Writing `weight_decay`, as schedules of other optimizers do, sets the one lambda in use: the one
    that is not 0, or was not 0 before. Raises ValueError where none or several are in use, where
    the members of a population have lambdas of their own, or where a lambda was written since the
    last step that says otherwise: one of them is stale, as in a dict that was copied and edited.

    Numbers of numpy become Python's, which a state_dict can hold.

    Args:
        values: what `normalised` made.
        lambdas: the names of the lambdas that its optimizer takes.
        last: the one that was in use before, see `last`.

    Attributes:
        last: the lambda that is in use, or was before it became 0; None where that is not one.
        written: the lambda that was changed since the last step; None where none was.
    """

    def __init__(
        self, values: Mapping[str, Any], lambdas: Sequence[str], last: str | None = None
    ) -> None:
        # weight_decay is last, so that a copy key by key sets the lambdas that it follows first
        super().__init__({k: _unboxed(v) for k, v in values.items() if k != "weight_decay"})
        self._lambdas = tuple(lambdas)
        self.last = last
        self.written: str | None = None
        self._settings: tuple[list[Any], Settings] | None = None
        self._stepped: tuple[MemberDecay, ...] | None = None
        self._read = tuple(
            key for key in (*_SHARED, *_CHOICES, *lambdas, "schedule") if key in self
        )
        self._refresh()

    def __setitem__(self, key: str, value: Any) -> None:
        if key == "weight_decay":
            self._write_weight_decay(_plain(value))
        elif key in self._lambdas or key == "schedule":
            value = _per_member(key, value)
            if key != "schedule" and self.get(key) != value:
                self.written = key
            super().__setitem__(key, value)
            self._refresh()
        else:
            super().__setitem__(key, _unboxed(value))

    def update(self, *args: Any, **kwargs: Any) -> None:
        """As a dict's, key by key, `weight_decay` last."""
        values = dict(*args, **kwargs)
        for key in sorted(values, key=lambda key: bool(key == "weight_decay")):
            self[key] = values[key]

    def __ior__(self, other: Any) -> Group:  # type: ignore[override,misc]
        self.update(other)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Group, (dict(self), self._lambdas, self.last)

    def settings(self) -> Settings:
        """What the group asks of a step, but for the learning rate.

        Raises ValueError as `normalised` does, for what was changed since.
        """
        key = [
            tuple(value) if isinstance(value, list) else value
            for value in map(self.get, self._read)
        ]
        if self._settings is None or self._settings[0] != key:
            self._settings = key, self._checked()
        self.written = None
        return self._settings[1]

    def lr(self) -> float:
        """The learning rate of this step; ValueError where it is none."""
        lr = self["lr"]
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("lr: a tensor must hold one element; per-member rates do not exist")
        _check_number("lr", lr, least=-ROUNDING_OF_SCHEDULERS)
        return float(lr)

    @property
    def memory(self) -> float:
        """By which factor the weight of a gradient in the first moment falls at each step."""
        return float(self["betas"][0] if "betas" in self else self["momentum"])

    def remember(self, acting: Sequence[bool], steps: Sequence[int]) -> None:
        """Take note of the decay of a step, as the first moment remembers it.

        While lambda and schedule stay what they are, they tell it by themselves, and nothing is
        kept.

        Args:
            acting: [K], who took it.
            steps: [K], which step it was for each.
        """
        beta, decays = self.memory, self.settings().decays
        before, self._stepped = self._stepped, decays
        memory = self["decay_memory"]
        if memory is None:
            if before is None or before == decays:
                return
            memory = [_recalled(d, beta, t - 1) for d, t in zip(before, steps, strict=True)]
        self["decay_memory"] = [
            [beta * old + (1 - beta) * new for old, new in zip(each, _now(d, t), strict=True)]
            if acts
            else each
            for each, d, t, acts in zip(memory, decays, steps, acting, strict=True)
        ]

    def remembered(self, steps: Sequence[int]) -> list[dict[str, float]]:
        """What the first moment remembers of each member's decay, after `steps` [K].

        `decay` is the mean of s_i*lambda over the steps, as the moment weighs them, and `inside`
        the same of those lambdas alone whose decay is inside the moment. Without any lambda,
        `decay` is that of REFERENCE_LAMBDA.
        """
        beta, decays = self.memory, self.settings().decays
        memory = self["decay_memory"]
        if memory is None:
            memory = [_recalled(d, beta, t) for d, t in zip(decays, steps, strict=True)]
        found = []
        for (weight, s, decay, inside), own in zip(memory, decays, strict=True):
            if not (decay or own.largest):
                decay = REFERENCE_LAMBDA * s
            weight = weight or 1.0  # of a member that never took a step
            found.append({"decay": decay / weight, "inside": inside / weight})
        return found

    def _checked(self) -> Settings:
        members = self["members"]
        for key in (*self._lambdas, "schedule"):
            value = self[key] = self[key]  # a list may have been written into
            if isinstance(value, list) and len(value) != members:
                raise ValueError(f"{key}: {len(value)} values for K = {members}")
        _check_shared(self)
        decays = tuple(
            MemberDecay(
                tuple((name, lam) for name, lam in zip(self._lambdas, own, strict=True) if lam),
                multiplier(schedule),
            )
            for *own, schedule in zip(
                *(spread(self[key], members or 1) for key in (*self._lambdas, "schedule")),
                strict=True,
            )
        )
        used = {name for decay in decays for name, _ in decay.lambdas}
        terms = frozenset(term for name in used for term in SCHEMES[name].terms)
        flags = {"once"} if self["rounding"] == "once" else set()
        flags |= {"aligned"} if "aligned" in terms else set()
        needs_peak = any(SCHEMES[name].needs_peak for name in used)
        if needs_peak and not self["peak_lr"]:
            raise ValueError("peak_lr: 0; give the largest learning rate of the training")
        return Settings(decays, terms, frozenset(flags), needs_peak)

    def _refresh(self) -> None:
        in_use = self._in_use()
        if len(in_use) == 1:
            self.last = in_use[0]
        largest = max(max(spread(self.get(name, 0.0), 1)) for name in self._lambdas)
        super().__setitem__("weight_decay", largest)

    def _in_use(self) -> list[str]:
        return [name for name in self._lambdas if any(spread(self.get(name, 0.0), 1))]

    def _write_weight_decay(self, value: Any) -> None:
        if value == self["weight_decay"]:
            return
        in_use = self._in_use() or ([self.last] if self.last else [])
        if len(in_use) != 1:
            which = f"{' and '.join(in_use)} are in use" if in_use else "names no scheme"
            raise ValueError(f"weight_decay: {value} {which}; {_set_instead(self._lambdas)}")
        name = in_use[0]
        _check_number("weight_decay", value)
        if self.written:
            raise ValueError(
                f"weight_decay: {value} contradicts {self.written}: {self[self.written]}, which is "
                "as new; give one of them"
            )
        if isinstance(self[name], list):
            if len(set(self[name])) > 1:
                raise ValueError(
                    f"weight_decay: {value} for members with lambdas of their own; set {name} to "
                    f"a list of {len(self[name])} instead"
                )
            value = [value] * len(self[name])
        self[name] = value
        self.written = None


def _now(decay: MemberDecay, t: int) -> tuple[float, float, float, float]:
    """What a step adds to a memory: its weight, s_t, s_t*lambda, and what of that is inside m."""
    multiplier = float(decay.multiplier(max(t, 1)))
    return 1.0, multiplier, multiplier * decay.largest, multiplier * decay.inside


def _recalled(decay: MemberDecay, beta: float, t: int) -> list[float]:
    """A memory after t steps, had lambda and schedule been what they are now."""
    memory = [0.0] * 4
    weight = 1 - beta
    for i in range(t, 0, -1):
        memory = [old + weight * new for old, new in zip(memory, _now(decay, i), strict=True)]
        weight *= beta
        if weight < 1e-16:
            break
    return memory


@dataclass(eq=False)
class Settings:
    """What a group asks of a step.

    Attributes:
        decays: of each member; one without a population.
        terms: the places of a step at which decay enters, of all members.
        flags: of the formula's variant.
        needs_peak: whether a scheme reads the largest learning rate of the training.
        variant: of the rule that these ask for, once its optimizer knows.
    """

    decays: tuple[MemberDecay, ...]
    terms: frozenset[str]
    flags: frozenset[str]
    needs_peak: bool
    variant: Variant | None = None


def normalised(
    given: Mapping[str, Any], defaults: Mapping[str, Any], lambdas: Sequence[str]
) -> Group:
    """`given` over `defaults`, checked, with plain numbers that a state_dict can hold.

    `members` becomes K when any per-member value is a sequence, in the group or the defaults, and
    None otherwise; with K, every per-member value becomes a list of K.

    Args:
        given: a parameter group. Its `weight_decay` sets the one lambda in use, unless it names one
            itself, and all of them where it is 0.
        defaults: values of the keys that it lacks.
        lambdas: the names of those that the optimizer takes.

    Raises ValueError naming the key, the value and what is allowed.
    """
    for key in map(str, given):
        if key not in lambdas and key not in defaults:
            _check_key(key, lambdas)
    values = {**defaults, **given}
    weight_decay = values.pop("weight_decay", None)
    per_member = {key: _per_member(key, values[key]) for key in (*lambdas, "schedule")}
    lengths = {key: len(value) for key, value in per_member.items() if isinstance(value, list)}
    members = next(iter(lengths.values()), defaults.get("members"))
    if 0 in lengths.values():
        raise ValueError(f"per-member sequences are empty: {lengths}; all must be K > 0 long")
    if any(length != members for length in lengths.values()):
        raise ValueError(f"per-member sequences differ in length: {lengths}; all must be K long")
    if members is not None:
        per_member = {key: spread(value, members) for key, value in per_member.items()}
    in_use = [name for name in lambdas if any(spread(per_member[name], 1))]
    if weight_decay == 0 and (members or len(in_use) > 1):
        # no decay has one meaning, whatever is in use
        per_member |= dict.fromkeys(lambdas, [0.0] * members if members else 0.0)
    group = Group({**values, **per_member, "members": members, "decay_memory": None}, lambdas)
    for key in ("lr", "eps", "momentum", "peak_lr"):
        if key in group and not (isinstance(group[key], Tensor) and key == "lr"):
            group[key] = _plain(group[key])
    lr = group.lr()
    if group["peak_lr"] is None:
        group["peak_lr"] = lr
    if weight_decay is not None:
        own = (name for name in lambdas if name in given and any(spread(per_member[name], 1)))
        group.written = next(own, None)
        group["weight_decay"] = weight_decay
    group.settings()
    return group


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


def _check_key(key: str, lambdas: Sequence[str]) -> None:
    """Refuse what looks like a lambda and would be kept without effect."""
    if key == "weight_decay":
        return
    letters = "".join(letter for letter in key.lower() if letter.isalnum())
    near = difflib.get_close_matches(key.lower(), lambdas, n=1, cutoff=0.8)
    if near:
        raise ValueError(f"{key}: unknown in a parameter group; did you mean {near[0]}?")
    if key in SCHEMES:
        raise ValueError(f"{key}: no scheme of this optimizer; {_set_instead(lambdas)}")
    if "decay" in letters or letters in _NEVER_DECAY:
        raise ValueError(f"{key}: unknown in a parameter group; {_set_instead(lambdas)}")


def _set_instead(lambdas: Sequence[str]) -> str:
    return f"set {', '.join(lambdas[:-1])} or {lambdas[-1]} instead"


def _unboxed(value: Any) -> Any:
    """Numbers of numpy as Python's, alone or in a tuple; anything else as it is."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return tuple(map(_unboxed, value)) if type(value) is tuple else value


def _plain(value: Any) -> Any:
    """Numbers of torch and numpy as Python's, sequences as lists."""
    if isinstance(value, Tensor):
        value = value.tolist()
    if isinstance(value, (str, bool, Schedule)) or value is None:
        return value
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, Iterable):
        if getattr(value, "ndim", 1) == 0:  # a 0-d array, which cannot be iterated over
            return _plain(value.item())  # type: ignore[attr-defined]
        return [_plain(item) for item in value]
    return value


def _per_member(key: str, value: Any) -> Any:
    """A checked lambda or schedule, or a list of them."""
    value = _plain(value)
    if key != "schedule":
        for item in spread(value, 1):
            _check_number(key, item)
        return value
    each = [_schedule(item) for item in spread(value, 1)]
    return each if isinstance(value, list) else each[0]


def _schedule(value: Any) -> str | Callable[[int], float]:
    if callable(value) and not isinstance(value, Schedule):
        return value  # type: ignore[no-any-return]
    return str(parse_schedule(str(value)))


def _check_number(key: str, value: Any, least: float = 0.0) -> None:
    try:
        number = math.nan if isinstance(value, (str, bool)) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= least):
        raise ValueError(f"{key}: {value} is not a finite number >= 0")


def _check_shared(group: dict[str, Any]) -> None:
    for key in ("eps", "momentum"):
        if key in group:
            _check_number(key, group[key])
    if group["peak_lr"] is not None:
        _check_number("peak_lr", group["peak_lr"])
    if "betas" in group:
        betas = _plain(group["betas"])
        if not (
            isinstance(betas, list)
            and len(betas) == 2
            and all(isinstance(beta, float) and 0 <= beta < 1 for beta in betas)
        ):
            raise ValueError(f"betas: {group['betas']} are not two numbers from 0 to below 1")
        group["betas"] = tuple(betas)
    if group.get("nesterov") and not group["momentum"]:
        raise ValueError("nesterov: needs a momentum above 0")
    for key, allowed in _CHOICES.items():
        if key in group and group[key] not in allowed:
            raise ValueError(f"{key}: {group[key]!r} is neither {' nor '.join(allowed)}")
    dtype = group["state_dtype"]
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ValueError(f"state_dtype: {dtype!r} is no floating dtype of torch")
