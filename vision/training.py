"""Train a network on prepared images: what the suite calls."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from vision.config import Machine, Recipe
from vision.image_data import ImageData
from vision.module import VisionModule
from vision.norm_matching import NormReference, find_reference
from vision.optimizer import adds_up, budget_until
from vision.recorder import VisionRecorder
from vision.workload import WORKLOAD
from workload.branch import branch_state
from workload.member import Member, Outcome, RunLog
from workload.network_training import train_alone
from workload.output import say
from workload.progress import Progress
from workload.trainer import prepare_torch

BRANCH_SHARES = (
    *("data", "subset", "test_subset", "pool", "model", "width", "norm", "sphere"),
    *("optimizer", "momentum", "batch_size"),
)
"""Keys in which a branch is like its trunk: images, network, what the optimizer remembers, and how
many updates an epoch has."""


def train_members(
    recipe: Recipe,
    members: Sequence[Member],
    logs: Sequence[RunLog],
    machine: Machine,
    *,
    progress: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> list[Outcome]:
    """Train members one after the other, each until it has finished or `stop` says so.

    Args:
        recipe: what the members share.
        members: schemes, lambdas and seeds.
        logs: their run directories, in the same order; a checkpoint found there is resumed.
        machine: device, threads and the distance of checkpoints.
        progress: called after every update.
        stop: asked after every update and between the batches of an evaluation; on True the state
            is saved and training ends.

    Raises:
        ConfigError: the images are not prepared, or another run that is read does not fit.
        CheckpointError: a checkpoint to resume from cannot be read; nothing has been changed.
    """
    device = prepare_torch(machine)

    def recorder_of(member: Member, log: RunLog) -> VisionRecorder:
        data = ImageData(recipe, machine.data_folder, member.seed, device)
        module = VisionModule(recipe, member, data).to(device)
        if device.type == "cuda":  # as its images are, and as its convolutions are fastest
            module = module.to(memory_format=torch.channels_last)
        say(budget_line(recipe, member, module.updates_per_epoch))
        if recipe.match_norms:
            run = find_reference(recipe, member, log.path)
            module.reference = NormReference.of(run, module.names, recipe.epochs)
        return VisionRecorder(
            module, log, machine.checkpoint_every, machine.keep_every, progress, stop
        )

    def trunk_of(member: Member, log: RunLog) -> dict[str, Any]:
        return trunk_state(recipe, member, log.path)

    return train_alone(
        members,
        logs,
        recorder_of,
        device=device,
        stop=stop,
        trunk_of=trunk_of if recipe.branch else None,
        begin=lambda module: module.use_graphs(machine.graphs),
    )


def trunk_state(recipe: Recipe, member: Member, own: Path) -> dict[str, Any]:
    """The state in which a branch begins; see `branch_state`."""
    return branch_state(
        WORKLOAD, recipe, member, own, epoch=recipe.branch_epoch, shared=BRANCH_SHARES
    )


def budget_line(recipe: Recipe, member: Member, updates_per_epoch: int) -> str:
    """How much decay the training holds."""
    factor = recipe.decay_factor(updates_per_epoch)
    budget = budget_until(recipe, member, updates_per_epoch)
    formula = "sum(alpha * lambda)" + (" / (1 - momentum)" if adds_up(recipe, member) else "")
    times = f", lambda times {factor:.3g}" if factor != 1 else ""
    return f"{member.name}: decay budget {formula} = {budget:.3g}, {recipe.decay_schedule}{times}"
