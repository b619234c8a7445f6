"""A parameter group: what it may hold, what writing its `weight_decay` means, what it asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from shared_optim.decay import MemberDecay
from shared_optim.decay_memory import recall, remembered, with_step
from shared_optim.rule import Variant
from shared_optim.schedules import ScheduleLike, multiplier
from shared_optim.schemes import SCHEMES
from shared_optim.values import (
    CHOICES,
    ROUNDING_OF_SCHEDULERS,
    check_key,
    check_number,
    check_shared,
    per_member,
    plain,
    set_instead,
    spread,
    unboxed,
)

Schedules = ScheduleLike | Sequence[ScheduleLike]

_SHARED = ("betas", "momentum", "nesterov", "eps", "maximize", "peak_lr", "state_dtype")


class Group(dict[str, Any]):
    """A parameter group whose `weight_decay` is its largest lambda, for monitors to read.

    Writing `weight_decay`, as schedules of other optimizers do, sets the one lambda in use: the one
    that is not 0, or was not 0 before. Raises ValueError where none or several are in use, where
    the members of a population have lambdas of their own, or where a lambda was written since the
    last step that says otherwise: one of them is stale, as in a dict that was copied and edited.
    Raises it, too, for a key that looks like a lambda and is none.

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
        super().__init__({k: unboxed(v) for k, v in values.items() if k != "weight_decay"})
        self._lambdas = tuple(lambdas)
        self._known = frozenset(values)
        self.last = last
        self.written: str | None = None
        self._settings: tuple[list[Any], Settings] | None = None
        self._stepped: tuple[MemberDecay, ...] | None = None
        self._read = tuple(key for key in (*_SHARED, *CHOICES, *lambdas, "schedule") if key in self)
        self._refresh()

    def __setitem__(self, key: str, value: Any) -> None:
        if key == "weight_decay":
            self._write_weight_decay(plain(value))
        elif key in self._lambdas or key == "schedule":
            value = per_member(key, value)
            if key != "schedule" and self.get(key) != value:
                self.written = key
            super().__setitem__(key, value)
            self._refresh()
        else:
            if key not in self._known:  # a dict is cleared before it is filled again
                check_key(key, self._lambdas)
            super().__setitem__(key, unboxed(value))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """As a dict's, checked as any other writing."""
        if key not in self:
            self[key] = default
        return self[key]

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

    @property
    def current(self) -> Settings:
        """What `settings` found last, for those who come after it in a step."""
        return self._settings[1] if self._settings else self.settings()

    def lr(self) -> float:
        """The learning rate of this step; ValueError where it is none."""
        lr = self["lr"]
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("lr: a tensor must hold one element; per-member rates do not exist")
        check_number("lr", lr, least=-ROUNDING_OF_SCHEDULERS)
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
        beta, decays = self.memory, self.current.decays
        before, self._stepped = self._stepped, decays
        memory = self["decay_memory"]
        if memory is None:
            if before is None or before == decays:
                return
            memory = recall(before, beta, [t - 1 for t in steps])
        self["decay_memory"] = with_step(memory, decays, beta, acting, steps)

    def remembered(self, steps: Sequence[int]) -> list[tuple[float, float]]:
        """(inside, decay) of each member after `steps` [K], see `decay_memory.remembered`."""
        decays = self.settings().decays
        memory = self["decay_memory"]
        if memory is None:
            memory = recall(decays, self.memory, steps)
        return remembered(memory, decays)

    def _checked(self) -> Settings:
        members = self["members"]
        for key in (*self._lambdas, "schedule"):
            value = self[key] = self[key]  # a list may have been written into
            if isinstance(value, list) and len(value) != members:
                raise ValueError(f"{key}: {len(value)} values for K = {members}")
        check_shared(self)
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
        if value == self.get("weight_decay"):
            return
        if self.written:
            raise ValueError(
                f"weight_decay: {value} contradicts {self.written}: {self[self.written]}, which is "
                "as new; give one of them"
            )
        in_use = self._in_use() or ([self.last] if self.last else [])
        if len(in_use) != 1:
            which = f"{' and '.join(in_use)} are in use" if in_use else "names no scheme"
            raise ValueError(f"weight_decay: {value} {which}; {set_instead(self._lambdas)}")
        name = in_use[0]
        check_number("weight_decay", value)
        if isinstance(self[name], list):
            if len(set(self[name])) > 1:
                raise ValueError(
                    f"weight_decay: {value} for members with lambdas of their own; set {name} to "
                    f"a list of {len(self[name])} instead"
                )
            value = [value] * len(self[name])
        self[name] = value
        self.written = None


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
        given: a parameter group. Its `weight_decay` sets the one lambda in use, and all of them
            where it is 0, unless it names one itself.
        defaults: values of the keys that it lacks.
        lambdas: the names of those that the optimizer takes.

    Raises ValueError naming the key, the value and what is allowed.
    """
    for key in map(str, given):
        if key not in lambdas and key not in defaults:
            check_key(key, lambdas)
    values = {**defaults, **given}
    weight_decay = values.pop("weight_decay", None)
    own_values = {key: per_member(key, values[key]) for key in (*lambdas, "schedule")}
    lengths = {key: len(value) for key, value in own_values.items() if isinstance(value, list)}
    members = next(iter(lengths.values()), defaults.get("members"))
    if 0 in lengths.values():
        raise ValueError(f"per-member sequences are empty: {lengths}; all must be K > 0 long")
    if any(length != members for length in lengths.values()):
        raise ValueError(f"per-member sequences differ in length: {lengths}; all must be K long")
    if members is not None:
        own_values = {key: spread(value, members) for key, value in own_values.items()}
    in_use = [name for name in lambdas if any(spread(own_values[name], 1))]
    named = next((name for name in in_use if name in given), None)
    if weight_decay == 0 and not named and (members or len(in_use) > 1):
        # no decay has one meaning, whatever is in use
        own_values |= dict.fromkeys(lambdas, [0.0] * members if members else 0.0)
    group = Group({**values, **own_values, "members": members, "decay_memory": None}, lambdas)
    for key in ("lr", "eps", "momentum", "peak_lr"):
        if key in group and not (isinstance(group[key], Tensor) and key == "lr"):
            group[key] = plain(group[key])
    lr = group.lr()
    if group["peak_lr"] is None:
        group["peak_lr"] = lr
    if weight_decay is not None:
        group.written = named
        group["weight_decay"] = weight_decay
    group.settings()
    return group
