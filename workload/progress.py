"""What a workload has to tell while it trains, and how fast it goes. Imports no torch."""

import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal

StageProgress = Callable[[str, int, int], None]
"""Told the stage of a longer work, how much of it is done, and of how much."""


@dataclass(frozen=True)
class MemberProgress:
    """What a display shows of one member.

    Attributes:
        name: scheme, lambda and seed.
        status: `waiting` for the other members of its population, `diverged`, or `running`.
        figures: numbers by name, from the most important on; None where there is nothing yet.
    """

    name: str
    status: Literal["running", "waiting", "diverged"]
    figures: dict[str, float | None]


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes:
        phase: in words, e.g. `epoch 2/6 training`.
        step, steps: how far it is within that phase, in `unit`s, and how far that goes. Beyond
            it, where a phase ends with what it has begun.
        steps_per_second: of each member; 0 until there is a measurement.
        seconds_left: of the whole training; None until there is a measurement.
        members: those that train together.
        unit: what is counted.
    """

    phase: str
    step: int
    steps: int
    steps_per_second: float = 0.0
    seconds_left: float | None = None
    members: tuple[MemberProgress, ...] = ()
    unit: str = "steps"

    @property
    def place(self) -> str:
        """E.g. `epoch 2/6 training 120/400`, or `400/400 and 12 more`."""
        more = f" and {self.step - self.steps:,} more" if self.step > self.steps else ""
        return f"{self.phase} {min(self.step, self.steps):,}/{self.steps:,}{more}"


SAMPLES = 15


class Pace:
    """Seconds per step of each phase of training: the median of the newest SAMPLES measurements,
    which one that a suspended process or a slow disk has stretched does not move."""

    def __init__(self) -> None:
        self._last: tuple[float, Hashable, int] | None = None
        self._samples: dict[Hashable, deque[float]] = {}

    def measure(self, phase: Hashable, step: int) -> None:
        """Take the time since the last call, unless a phase has ended in between."""
        now, last = time.monotonic(), self._last
        self._last = (now, phase, step)
        if last is None or last[1] != phase or step <= last[2]:
            return
        samples = self._samples.setdefault(phase, deque(maxlen=SAMPLES))
        samples.append((now - last[0]) / (step - last[2]))

    def pause(self) -> None:
        """Forget the last call: what comes before the next is no step."""
        self._last = None

    def seconds_per_step(self, phase: Hashable) -> float | None:
        """None where the phase has not been measured."""
        from statistics import median  # with fractions, random and hashlib: not for `--help`

        samples = self._samples.get(phase)
        return median(samples) if samples else None
