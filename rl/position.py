"""Where a population stands and what it logs. Imports no torch."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Phase = Literal["training", "evaluation"]
TRAINING, EVALUATION = 0, 1
EPISODES = "episodes.jsonl"
"""In a run's directory: a row per episode of training and evaluation."""
PHASES: tuple[Phase, Phase] = ("training", "evaluation")


class Position(NamedTuple):
    """Where a member stands: `tick` agent steps into a phase (0 training, 1 evaluation)."""

    iteration: int
    phase: int
    tick: int


@dataclass(frozen=True)
class MemberRow:
    """One line for one member's log: `metrics` within a phase, `evaluation` after an iteration,
    `episode` after each episode."""

    member: int
    log: Literal["metrics", "evaluation", "episode"]
    values: dict[str, Any]
