"""What a workload offers to the suite, and which workloads there are."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from shared_optim.member import Outcome
from suite.errors import UserError
from suite.resources import Room
from suite.wording import unknown
from workload.report import Report

NAMES = ("rl", "nlp")


class Workload(Protocol):
    """The names a workload's module in this package offers. Importing it imports no torch."""

    NAME: str
    TITLE: str
    PRESET: str  # the preset taken where none is named
    PRESET_KEY: str | None  # the recipe's key whose value may be a preset's name and then means it
    TOGETHER: bool  # whether members train as one population, or one after the other
    SUBJECT: str  # the recipe's key for what is trained on, and the table's first heading
    STEP: str  # key of every row: the figures' x axis
    ROUND: str  # key of evaluation rows: how many came before
    SECTIONS: dict[str, tuple[str, ...]]  # groups of the recipe's keys in --help
    Recipe: type[Any]
    Member: type[Any]
    Machine: type[Any]
    Scheme: Any
    report: Report  # what it tells of its results: scores, curves, tables and figures

    def subject(self, recipe: Any) -> str:
        """What is trained on, as paths and titles show it: the game, the corpus."""

    def identity(self, recipe: Any) -> dict[str, Any]:
        """What of the recipe decides the result, as config.json keeps it: equal for equal runs."""

    def validate(self, recipe: Any, machine: Any) -> None:
        """Raise UserError where the recipe names what does not exist: the game, the corpus."""

    def check(self, recipe: Any, machine: Any, runs: Sequence[Path]) -> None:
        """Raise UserError where this machine cannot train these runs together. Makes nothing."""

    def lacking(self, recipe: Any, machine: Any) -> str | None:
        """What a user has to prepare before training, and how; None where nothing is missing."""

    def provide(self, recipe: Any, machine: Any) -> None:
        """Make what training reads and nobody has to fetch, where it is missing."""

    def together(self, recipe: Any, room: Room) -> int:
        """How many members one process with so much memory trains as a population; 0: none fits."""

    def core_seconds(self, recipe: Any, machine: Any) -> float | None:
        """About how long one member trains on a core of the CPU that results/benchmarks names;
        None where the recipe does not tell."""

    def needs(self, recipe: Any, members: int) -> str:
        """One line on the memory that is taken before training starts."""

    def position(self, run: Path, *, previous: bool) -> Any:
        """Where an unfinished run stands; runs are trained together when this is equal.

        `previous` asks for the checkpoint before the newest. UserError where there is none, or
        where the checkpoint is damaged.
        """

    def train(
        self,
        recipe: Any,
        members: Sequence[Any],
        logs: Sequence[Any],
        machine: Any,
        *,
        progress: Callable[[Any], None],
        stop: Callable[[], bool],
        previous: bool,
    ) -> Sequence[Outcome]:
        """Train; UserError for a checkpoint that cannot be used."""

    def discard(self, run: Path) -> None:
        """Delete what only the training of a run needed, which has ended for good."""


def load(name: str) -> Workload:
    match name:
        case "rl":
            from suite import rl

            return rl
        case "nlp":
            from suite import nlp

            return nlp
        case _:
            raise UserError(unknown("workload", name, NAMES))
