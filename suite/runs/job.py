"""What one process trains."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from suite.registry import load
from suite.runs.directory import Run
from workload.member import Member
from workload.recipe import MachineBase, OptimizerRecipe


@dataclass(frozen=True)
class Job:
    """Members that one process trains with one recipe. It travels to other processes.

    Attributes:
        workload: name of the workload.
        recipe, machine: the workload's.
        members: every one has a run of its own.
        folder: of all runs.
    """

    workload: str
    recipe: OptimizerRecipe
    machine: MachineBase
    members: tuple[Member, ...]
    folder: Path

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The run of each member; its directory is looked for once."""
        workload = load(self.workload)
        return tuple(Run.of(workload, self.recipe, m, self.folder) for m in self.members)

    def of(self, runs: Sequence[Run]) -> "Job":
        """The same of these runs alone."""
        return replace(self, members=tuple(run.member for run in runs))
