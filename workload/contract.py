"""What a workload offers to whoever runs it: one object, registered under `wdbench.workloads`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from workload.findings import Finding
    from workload.member import Member, Outcome, RunLog
    from workload.progress import Progress
    from workload.recipe import MachineBase, OptimizerRecipe
    from workload.report import Report
    from workload.resources import FreeMemory

    Members = Sequence[Member]
    Reference = tuple["RecipeT", Member]

RecipeT = TypeVar("RecipeT", bound="OptimizerRecipe")
MachineT = TypeVar("MachineT", bound="MachineBase")
REQUIRED = ("NAME", "TITLE", "TASK_KEY", "STEP_KEY", "EPOCH_KEY", "LENGTH_KEY")
"""Attributes of a workload that have no default."""


@dataclass(frozen=True)
class Command:
    """A command of its own that a workload adds to the command line.

    Attributes:
        name: what is typed.
        text: what it does, for the list of commands.
        description: the same at the head of its own help.
        main: gives the parser its arguments, parses those of the command line, and does it;
            returns the exit code, or raises UserError. What it needs it imports when it is called.
        accepts: where several workloads have a command of this name, whether an argument says that
            this one is meant.
        takes: the arguments that say so, in words.
        examples: whole command lines, for the end of its help.
    """

    name: str
    text: str
    description: str
    main: Callable[[ArgumentParser, Sequence[str]], int]
    accepts: Callable[[str], bool] = lambda argument: True
    takes: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Demo:
    """What `wdbench demo NAME` trains.

    Attributes:
        text: what is seen, and how long that takes.
        runs: flags of `run NAME`, a command line each.
    """

    text: str
    runs: tuple[str, ...]


class Workload(ABC, Generic[RecipeT, MachineT]):
    """A kind of training. Importing the module of one imports no torch.

    Attributes:
        NAME: what it is called on the command line and in paths.
        TITLE: a sentence on it.
        EXAMPLE: flags of a first run, for the list of commands.
        DEMO: what `wdbench demo` trains; None where it has none.
        PRESET: the preset taken where none is named; None for the recipe's defaults.
        PRESET_KEY: the recipe's key whose value may be a preset's name and then means it.
        SCHEME: what a lambda alone means on the command line; None where a scheme has to be named.
        TRAINS_POPULATION: whether members train as one population, or one after the other.
        TASK_KEY: the recipe's key for what is trained on, and the table's first heading.
        STEP_KEY: key of every row, whole numbers: the figures' x axis.
        EPOCH_KEY: key of evaluation rows: the number of the iteration or epoch.
        LENGTH_KEY: the recipe's key for how many iterations or epochs are trained.
        SECTIONS: groups of the recipe's keys in --help; those in none get one of their own.
        OTHER_NAMES: what other tools call its keys, with underscores, to how the same is said here.
        SYNONYMS: a second name of a flag, on the command line alone, to the key that it means.
        COMMANDS: commands of its own.
        PACKAGES: distributions whose versions the record of a run names.
        ROW_FILES: JSON-lines files of its own in a run's directory.
        STATES: folders there that hold what longer training goes on from.
    """

    NAME: str
    TITLE: str
    EXAMPLE: str = ""
    DEMO: Demo | None = None
    PRESET: str | None = None
    PRESET_KEY: str | None = None
    SCHEME: str | None = None
    TRAINS_POPULATION: bool = False
    TASK_KEY: str
    STEP_KEY: str
    EPOCH_KEY: str
    LENGTH_KEY: str
    SECTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    OTHER_NAMES: Mapping[str, str] = MappingProxyType({})
    SYNONYMS: Mapping[str, str] = MappingProxyType({})
    COMMANDS: tuple[Command, ...] = ()
    PACKAGES: tuple[str, ...] = ()
    ROW_FILES: tuple[str, ...] = ()
    STATES: tuple[str, ...] = ("checkpoint",)

    @property
    @abstractmethod
    def Recipe(self) -> type[RecipeT]:
        """Its recipe, a frozen dataclass. A property where importing it takes long: `--help` of
        all commands makes every workload's object."""

    @property
    @abstractmethod
    def Machine(self) -> type[MachineT]:
        """Its machine, likewise."""

    @property
    @abstractmethod
    def report(self) -> Report:
        """What it tells of its results, likewise: scores, curves, tables and figures."""

    def preset_folder(self) -> Path:
        """The folder of its presets, YAML files: `configs/NAME` beside the packages of the suite,
        a folder of its own for a workload from elsewhere."""
        return Path(__file__).parent.parent / "configs" / self.NAME

    def claims_file(self) -> Path:
        """What papers claim of its runs: `configs/claims/NAME.yaml` beside the packages of the
        suite, a file of its own for a workload from elsewhere; it may be missing."""
        return Path(__file__).parent.parent / "configs" / "claims" / f"{self.NAME}.yaml"

    def preset_names(self) -> list[str]:
        """What --preset takes."""
        return sorted(file.stem for file in self.preset_folder().glob("*.yaml"))

    def task(self, recipe: RecipeT) -> str:
        """What is trained on, as paths and titles show it: the recipe's value of TASK_KEY."""
        return str(getattr(recipe, self.TASK_KEY))

    def resolved(self, recipe: RecipeT) -> dict[str, Any]:
        """The recipe as config.json keeps it: all its keys, equal for equal runs."""
        return recipe.values()

    def free_keys(self, recipe: Mapping[str, Any]) -> tuple[str, ...]:
        """Keys of this resolved recipe that only say how long a run is, or how often it is looked
        at: what a run computes up to a step does not depend on them, nor does its name.

        LENGTH_KEY is one where no schedule of the recipe reads it: then a run can be made longer.
        """
        return ()

    def validate(self, recipe: RecipeT, machine: MachineT) -> None:
        """Raise UserError where the recipe names what does not exist."""

    def validate_members(self, recipe: RecipeT, members: Members) -> None:
        """Raise UserError where a member cannot be trained with the recipe."""

    def references(self, recipe: RecipeT, members: Members) -> Sequence[Reference[RecipeT]]:
        """Other runs that runs read when they are trained, as recipe and member; how long they are
        does not count. A grid trains them before. UserError where their names have no meaning."""
        return ()

    def reference_problem(
        self, recipe: RecipeT, run: Path, training: tuple[RecipeT, MachineT] | None
    ) -> str | None:
        """What a run that is read will not hold, and what to do; None where all will be there.

        Args:
            recipe: of its reader.
            run: its folder, which may not exist yet.
            training: how it is going to be trained; None where it has finished.
        """
        return None

    def check(self, recipe: RecipeT, machine: MachineT, runs: Sequence[Path]) -> None:
        """Raise UserError where this machine cannot train these runs together. Makes nothing."""

    def missing_data(self, recipe: RecipeT, machine: MachineT) -> str | None:
        """What a user has to prepare before training, and how; None where nothing is missing."""
        return None

    def prepare_data(self, recipe: RecipeT, machine: MachineT) -> None:
        """Make what training reads and nobody has to fetch, where it is missing."""

    def max_population(self, recipe: RecipeT, memory: FreeMemory) -> int:
        """How many members one process with so much memory trains at once; 0: none fits."""
        return 1

    def core_seconds(self, recipe: RecipeT, machine: MachineT) -> float | None:
        """About how long one member trains on a core of the CPU that results/benchmarks names;
        None where the recipe does not tell."""
        return None

    def disk(self, recipe: RecipeT, machine: MachineT) -> int:
        """Bytes that a run takes on disk at most, while it trains; 0 where that is not known."""
        return 0

    def memory_summary(self, recipe: RecipeT, members: int) -> str:
        """One line on the memory that is taken before training starts."""
        return f"{self.NAME} does not say how much memory it takes"

    def checkpoint_position(self, run: Path) -> tuple[int, ...] | None:
        """Where an unfinished run stands; runs are trained together when this is equal.

        Where the newest checkpoint is damaged, that is the one before. UserError where both are.
        """
        from workload.checkpoint_files import CheckpointFiles

        entry = CheckpointFiles(run).sound()
        return None if entry is None else tuple(entry["position"])

    def epochs_begun(self, position: tuple[int, ...]) -> int:
        """In which iteration or epoch a checkpoint stands, from 1; 0 before the first step.

        Of positions that begin with the epochs that have ended and the batches after them; one at
        an epoch's end has begun no other, so that a run killed between its last state and the
        record of its end can still end.
        """
        return position[0] + any(position[1:2])

    @abstractmethod
    def train(
        self,
        recipe: RecipeT,
        members: Members,
        logs: Sequence[RunLog],
        machine: MachineT,
        *,
        progress: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> Sequence[Outcome]:
        """Train; UserError for a checkpoint that cannot be used.

        Rows go to `logs[k].metrics` during training, to `.evaluation` after an iteration or epoch.
        Rows of another kind go to `logs[k].own`, into one of ROW_FILES.
        Every row has STEP_KEY, an evaluation EPOCH_KEY as well; the other keys are the workload's,
        which declares those that are shown as Metrics. The last row of a member whose weights are
        no finite numbers has `"diverged": True`.

        Args:
            recipe: what the members share.
            members: schemes, lambdas and seeds; one, unless it TRAINS_POPULATION.
            logs: their run directories, in the same order; a checkpoint found there is resumed.
            machine: where and how.
            progress: may be called as often as training likes.
            stop: asked often; on True the state is saved and training ends.
        """

    def clean_up(self, run: Path, machine: MachineT, *, finished: bool) -> None:
        """Delete what a run that has ended needs no more.

        Args:
            run: its directory.
            machine: as it was trained, or is asked for now.
            finished: whether it can be made longer; one that has diverged can not.
        """

    def damage(self, run: Path) -> Iterable[str]:
        """What is wrong with files of an unfinished or finished run that only this workload can
        read, one sentence each; what all workloads have is not its concern."""
        return ()

    def can_go_on(self, run: Path) -> bool:
        """Whether a finished run has kept what longer training goes on from."""
        return any((run / "checkpoint").glob("*.pt"))

    def doctor(self) -> Iterable[Finding]:
        """What of this workload a machine has, and what is missing."""
        return ()
