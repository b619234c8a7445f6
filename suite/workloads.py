"""What a workload offers to the suite, and which workloads there are."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from suite.errors import UserError
from suite.wording import unknown

NAMES = ("rl",)


class Member(Protocol):
    """One trained model of a population. `name` is scheme and lambda, e.g. `separated-1e-4`."""

    @property
    def scheme(self) -> str: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def seed(self) -> int: ...
    @property
    def name(self) -> str: ...


class Outcome(Protocol):
    """How a member ended: `finished`, `interrupted` or `diverged`, with its final figures."""

    @property
    def status(self) -> str: ...
    @property
    def figures(self) -> dict[str, float]: ...


class Workload(Protocol):
    """The names a workload's module in this package offers. Importing it imports no torch."""

    NAME: str
    TITLE: str
    PRESET: str  # the preset taken where none is named
    SECTIONS: dict[str, tuple[str, ...]]  # groups of the recipe's keys in --help
    Recipe: type[Any]
    Member: type[Any]
    Machine: type[Any]
    Scheme: Any

    def subject(self, recipe: Any) -> str:
        """What is trained on, as paths and titles show it: the game."""

    def validate(self, recipe: Any) -> None:
        """Raise UserError where the recipe names what does not exist: the game."""

    def check(self, recipe: Any, machine: Any, runs: Sequence[Path]) -> None:
        """Raise UserError where this machine cannot train these runs together. Makes nothing."""

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
        case _:
            raise UserError(unknown("workload", name, NAMES))
