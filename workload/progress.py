"""What a workload has to tell while it trains, and how fast it goes. Imports no torch."""

import time
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
        step, steps: how far it is within that phase, in `unit`s, and how far that goes.
        steps_per_second: all members together; 0 until there is a measurement.
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


class Pace:
    """Seconds per step of each phase of training, smoothed.

    Args:
        weight: of the newest measurement in the moving average, from 0 to 1.
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._last: tuple[float, Hashable, int] | None = None
        self._seconds: dict[Hashable, float] = {}

    def measure(self, phase: Hashable, step: int) -> None:
        """Take the time since the last call, unless a phase has ended in between."""
        now, last = time.monotonic(), self._last
        self._last = (now, phase, step)
        if last is None or last[1] != phase or step <= last[2]:
            return
        sample = (now - last[0]) / (step - last[2])
        before = self._seconds.get(phase, sample)
        self._seconds[phase] = before + self._weight * (sample - before)

    def pause(self) -> None:
        """Forget the last call: what comes before the next is no step."""
        self._last = None

    def seconds_per_step(self, phase: Hashable) -> float | None:
        """None where the phase has not been measured."""
        return self._seconds.get(phase)
