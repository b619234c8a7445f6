"""Going on from another run's state after an epoch, with another recipe."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workload.contract import MachineT, Workload
from workload.errors import ConfigError, UserError
from workload.kept import read_kept
from workload.member import Member
from workload.reference import (
    NetworkRecipeT,
    branch_reference,
    find_run,
    nearest_run,
    require_alike,
)


def branch_state(
    workload: Workload[NetworkRecipeT, MachineT],
    recipe: NetworkRecipeT,
    member: Member,
    own: Path,
    *,
    epoch: int,
    shared: Sequence[str],
    unit: str = "epoch",
) -> dict[str, Any]:
    """The state in which a branch begins.

    Args:
        workload: of the branch, and of its trunk.
        recipe: with a `branch`.
        member: that is trained.
        own: folder of its run.
        epoch: of the trunk, after which the branch begins.
        shared: keys in which both recipes are equal.
        unit: what the workload calls an epoch.

    Raises:
        ConfigError: there is no such run, or it is of another network, seed or kind of training.
        UserError: it has not kept the epoch, or the file is damaged.
    """
    trunk = _trunk(workload, recipe, member, own)
    require_alike(workload, "branch", trunk, recipe, member, shared)
    try:
        return read_kept(trunk, epoch, unit)
    except UserError as error:
        raise UserError(f"branch: {error}") from error


def _trunk(
    workload: Workload[NetworkRecipeT, MachineT], recipe: NetworkRecipeT, member: Member, own: Path
) -> Path:
    reference = branch_reference(recipe, member)
    if reference is None:
        return Path(recipe.branch_run)
    theirs, of = reference
    if (found := find_run(workload, theirs, of, own)) is not None:
        return found
    near = nearest_run(workload, theirs, of, own)
    values = near and ", ".join(f"{key} {value}" for key, value in near[1].items())
    raise ConfigError(
        f"branch: {recipe.branch_run!r} is no run's folder, and below "
        f"{own.parent.parent / of.name} there is no run of seed {member.seed} with these keys and "
        "else the same recipe; train it first"
        + (f", or name the keys of another: {near[0].name} has {values}" if near else "")
    )
