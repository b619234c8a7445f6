"""What workloads share whose members each train a network of their own. Imports no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from workload import resources
from workload.contract import MachineT, Workload
from workload.errors import FullDiskError, UserError
from workload.member import Member
from workload.wording import amount

if TYPE_CHECKING:
    from workload.network_recipe import NetworkRecipe

NetworkRecipeT = TypeVar("NetworkRecipeT", bound="NetworkRecipe")


class NetworkWorkload(Workload[NetworkRecipeT, MachineT]):
    """A workload whose recipe names SGD or Adam, and whose runs keep their newest state."""

    def validate_members(self, recipe: NetworkRecipeT, members: Sequence[Member]) -> None:
        """Raise UserError where the optimizer does not have a member's scheme, or what a recipe
        reads has no meaning."""
        from shared_optim.schemes import BASELINE, decaying

        self.references(recipe, members)
        allowed = (BASELINE, *decaying(recipe.optimizer))
        for member in members:
            if member.scheme not in allowed:
                raise UserError(
                    f"scheme: the optimizer {recipe.optimizer} has no {member.scheme}; allowed are "
                    f"{', '.join(allowed)}"
                )

    def check_disk(self, runs: Sequence[Path], each: int) -> None:
        """Raise FullDiskError where runs of so many bytes each do not fit."""
        disk, free = len(runs) * each, resources.disk_for(runs)
        if disk > free:
            raise FullDiskError(
                f"runs: {len(runs)} runs such as {runs[0]} take up to {amount(disk)} on disk, "
                f"{amount(free)} are free; choose another --runs"
            )

    def clean_up(self, run: Path, machine: MachineT, *, finished: bool) -> None:
        """Keep the newest state, for a longer run, for branches, and for looks at it."""

        from workload.checkpoint_files import CheckpointFiles

        if finished:
            CheckpointFiles(run).forget_previous()
        else:
            CheckpointFiles(run).delete()
