"""Going on from another run's state after an epoch, with another recipe."""

from pathlib import Path
from typing import Any

from vision.config import Recipe
from vision.kept import read_kept
from vision.reference import branch_reference, find_run, require_alike
from vision.workload import WORKLOAD
from workload.errors import ConfigError, UserError
from workload.member import Member

SHARED = (
    *("data", "subset", "test_subset", "pool", "model", "width", "norm", "sphere"),
    *("optimizer", "momentum", "batch_size"),
)
"""Keys in which a branch is like its trunk: images, network, what the optimizer remembers, and how
many updates an epoch has."""


def branch_state(recipe: Recipe, member: Member, own: Path) -> dict[str, Any]:
    """The state in which a branch begins.

    Args:
        recipe: with a `branch`.
        member: that is trained.
        own: folder of its run.

    Raises:
        ConfigError: there is no such run, or it is of another network, seed or kind of training.
        UserError: it has not kept the epoch, or the file is damaged.
    """
    trunk = _trunk(recipe, member, own)
    require_alike(WORKLOAD, "branch", trunk, recipe, member, SHARED)
    try:
        return read_kept(trunk, recipe.branch_epoch)
    except UserError as error:
        raise UserError(f"branch: {error}") from error


def _trunk(recipe: Recipe, member: Member, own: Path) -> Path:
    reference = branch_reference(recipe, member)
    if reference is None:
        return Path(recipe.branch_run)
    theirs, of = reference
    if (found := find_run(WORKLOAD, theirs, of, own)) is not None:
        return found
    raise ConfigError(
        f"branch: {recipe.branch_run!r} is no run's folder, and below "
        f"{own.parent.parent / of.name} there is no run of seed {member.seed} with these keys and "
        "else the same recipe; train it first"
    )
