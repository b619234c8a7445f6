"""Decay schedules: when, and how strongly, weight decay acts. Imports no torch."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast

Kind = Literal["always", "early", "late", "stuttered", "skipped"]
Unit = Literal["updates", "epochs"]

_FORM = re.compile(r"always|(early|late|stuttered|skipped):[1-9][0-9]*(epochs)?")


@dataclass(frozen=True)
class Schedule:
    """The multiplier s_t of lambda at optimizer step t = 1, 2, ...

        always         s_t = 1
        early:T        s_t = 1 for t <= T, then 0
        late:T         s_t = 0 for t <= T, then 1
        stuttered:K    s_t = K when K divides t, else 0: the same decay on average, in bursts
        skipped:K      s_t = 1 when K divides t, else 0: a K-th of the decay

    T and K may count epochs, as in `early:50epochs`; `resolve` makes updates of them.

    Source: Bjorck, Weinberger and Gomes, AAAI 2021. Their "stuttered" decay does not say which of
    the last two it is.
    """

    kind: Kind
    steps: int = 0
    unit: Unit = "updates"

    def multiplier(self, t: int) -> float:
        """s_t for t >= 1. Raises ValueError for a schedule in epochs."""
        if self.unit == "epochs":
            raise ValueError(
                f"schedule: {self} counts epochs, of which an optimizer knows nothing; make it "
                f"resolve({str(self)!r}, updates_per_epoch)"
            )
        match self.kind:
            case "always":
                return 1.0
            case "early":
                return float(t <= self.steps)
            case "late":
                return float(t > self.steps)
            case "stuttered":
                return 0.0 if t % self.steps else float(self.steps)
            case "skipped":
                return float(t % self.steps == 0)

    def __str__(self) -> str:
        if self.kind == "always":
            return self.kind
        return f"{self.kind}:{self.steps}{'epochs' if self.unit == 'epochs' else ''}"


@functools.cache
def parse_schedule(text: str) -> Schedule:
    """The schedule of a name, e.g. `early:1000` or `early:50epochs`.

    Raises ValueError for anything else.
    """
    if not _FORM.fullmatch(text):
        raise ValueError(
            f"schedule: {text!r} is none of always, early:T, late:T, stuttered:K, skipped:K "
            "with T and K whole numbers of steps, e.g. early:100000, or of epochs, early:50epochs"
        )
    kind, _, steps = text.partition(":")
    unit: Unit = "epochs" if steps.endswith("epochs") else "updates"
    return Schedule(cast(Kind, kind), int(steps.removesuffix("epochs") or 0), unit)


ScheduleLike = str | Schedule | Callable[[int], float]
"""s_t of t = 1, 2, ...: by name, as an object, or any function."""


def resolve(schedule: str | Schedule, updates_per_epoch: int) -> Schedule:
    """The same schedule in updates: `early:50epochs` is `early:5000` at 100 updates per epoch."""
    found = parse_schedule(schedule) if isinstance(schedule, str) else schedule
    if found.unit == "updates":
        return found
    if updates_per_epoch < 1:
        raise ValueError(f"updates_per_epoch: {updates_per_epoch} is not above 0")
    return replace(found, steps=found.steps * updates_per_epoch, unit="updates")


def count(text: str, updates_per_epoch: int) -> int:
    """Updates from a text: `400`, or `5epochs`."""
    number = int(text.removesuffix("epochs"))
    return number * updates_per_epoch if text.endswith("epochs") else number


def multiplier(schedule: ScheduleLike) -> Callable[[int], float]:
    """The function t -> s_t of any of them.

    Raises ValueError for a name that is none, and for a schedule in epochs.
    """
    found = parse_schedule(schedule) if isinstance(schedule, str) else schedule
    if not isinstance(found, Schedule):
        return found
    found.multiplier(1)  # epochs are refused at once
    return found.multiplier
