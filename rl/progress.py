"""Where a population stands and what it has to tell. Imports no torch."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

Phase = Literal["training", "evaluation"]
TRAINING, EVALUATION = 0, 1
PHASES: tuple[Phase, Phase] = ("training", "evaluation")


class Position(NamedTuple):
    """Where a member stands: `tick` agent steps into a phase (0 training, 1 evaluation)."""

    iteration: int
    phase: int
    tick: int


@dataclass(frozen=True)
class Row:
    """One line for one member's log: `metrics` within a phase, `evaluation` after an iteration."""

    member: int
    log: Literal["metrics", "evaluation"]
    values: dict[str, Any]


@dataclass(frozen=True)
class MemberProgress:
    """What a display shows of one member; None where there is nothing yet."""

    name: str
    epsilon: float
    loss: float | None
    mean_q: float | None
    score: float | None
    status: Literal["running", "waiting", "diverged"]

    @property
    def figures(self) -> dict[str, float | None]:
        """Its numbers by name, those that a short line shows first."""
        return {
            "loss": self.loss,
            "score": self.score,
            "epsilon": self.epsilon,
            "mean Q": self.mean_q,
        }


@dataclass(frozen=True)
class Progress:
    """What a display shows of a population. `phase` is also `resuming`, where `step` of `steps`
    actions since the phase began have been replayed."""

    iteration: int
    iterations: int
    phase: Literal["training", "evaluation", "resuming"]
    step: int
    steps: int
    steps_per_second: float
    seconds_left: float | None
    members: tuple[MemberProgress, ...]
    unit: ClassVar[str] = "steps"

    @property
    def place(self) -> str:
        return f"iteration {self.iteration + 1}/{self.iterations} {self.phase}"
