"""Decay schedules: when, and how strongly, weight decay acts."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

Kind = Literal["always", "early", "late", "stuttered"]

_FORM = re.compile(r"always|(early|late|stuttered):[1-9][0-9]*")


@dataclass(frozen=True)
class Schedule:
    """The multiplier s_t of lambda at optimizer step t = 1, 2, ...

        always         s_t = 1
        early:T        s_t = 1 for t <= T, then 0
        late:T         s_t = 0 for t <= T, then 1
        stuttered:K    s_t = K when K divides t, else 0: the same decay on average, in bursts

    Source: Bjorck, Weinberger and Gomes, AAAI 2021 (early and late decay).
    """

    kind: Kind
    steps: int = 0

    def multiplier(self, t: int) -> float:
        """s_t for t >= 1."""
        match self.kind:
            case "always":
                return 1.0
            case "early":
                return float(t <= self.steps)
            case "late":
                return float(t > self.steps)
            case "stuttered":
                return 0.0 if t % self.steps else float(self.steps)

    def __str__(self) -> str:
        return self.kind if self.kind == "always" else f"{self.kind}:{self.steps}"


@functools.cache
def parse_schedule(text: str) -> Schedule:
    """`always`, `early:T`, `late:T` or `stuttered:K`, T and K whole numbers of steps above 0.

    Raises ValueError for anything else.
    """
    if not _FORM.fullmatch(text):
        raise ValueError(
            f"schedule: {text!r} is none of always, early:T, late:T, stuttered:K "
            "with T and K whole numbers of steps, e.g. early:100000"
        )
    kind, _, steps = text.partition(":")
    return Schedule(cast(Kind, kind), int(steps or 0))


DecaySchedule = str | Schedule | Callable[[int], float]
"""s_t of t = 1, 2, ...: by name, as an object, or any function."""


def multiplier(schedule: DecaySchedule) -> Callable[[int], float]:
    """The function t -> s_t of any of them. Raises ValueError for a name that is none."""
    if isinstance(schedule, str):
        return parse_schedule(schedule).multiplier
    return schedule.multiplier if isinstance(schedule, Schedule) else schedule
