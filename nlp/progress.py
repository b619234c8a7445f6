"""What a translation run has to tell while it trains. Imports no torch."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MemberProgress:
    """What a display shows of the model; None where there is nothing yet."""

    name: str
    status: Literal["running", "diverged"]
    figures: dict[str, float | None]


@dataclass(frozen=True)
class Progress:
    """What a display shows: `place` is a text such as `epoch 2/6 training`."""

    place: str
    step: int
    steps: int
    steps_per_second: float
    seconds_left: float | None
    members: tuple[MemberProgress, ...]
    unit: str = "updates"
