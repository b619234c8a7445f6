"""Train a network on prepared images: what the suite calls."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch

from vision.config import Machine, Recipe, check_devices
from vision.image_data import ImageData
from vision.module import VisionModule
from vision.norm_matching import NormReference, find_reference
from vision.optimizer import adds_up, budget_until
from vision.recorder import VisionRecorder
from vision.state import restore
from vision.workload import WORKLOAD
from workload.branch import branch_state
from workload.checkpoint import read_state
from workload.distributed import followers
from workload.follower import Follower
from workload.listener import Listener
from workload.member import Member, Outcome, RunLog
from workload.output import say
from workload.progress import Progress
from workload.train_alone import by_trainer, train_alone
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
        ConfigError: the images are not prepared, another run that is read does not fit, or the
            devices cannot share an update.
        CheckpointError: a checkpoint to resume from cannot be read; nothing has been changed.
    """
    check_devices(recipe, machine)
    device = prepare_torch(machine)

    def recorder_of(member: Member, log: RunLog) -> VisionRecorder:
        module = _module(0, recipe, member, machine, log.path, device)
        say(budget_line(recipe, member, module.updates_per_epoch))
        return VisionRecorder(
            module, log, machine.checkpoint_every, machine.keep_every, progress, stop
        )

    def trunk_of(member: Member, log: RunLog) -> dict[str, Any]:
        return trunk_state(recipe, member, log.path)

    def take_rest(module: VisionModule, listener: Listener) -> None:
        by_trainer(module, listener, device, lambda: module.use_graphs(machine.graphs))

    def beside(member: Member, log: RunLog) -> AbstractContextManager[None]:
        return followers(machine.devices, _follow, recipe, member, machine, log.path)

    return train_alone(
        members,
        logs,
        recorder_of,
        take_rest,
        stop=stop,
        trunk_of=trunk_of if recipe.branch else None,
        beside=beside,
    )


def _follow(rank: int, recipe: Recipe, member: Member, machine: Machine, run: Path) -> None:
    """What a process other than the first does: the same updates, nothing written."""
    device = prepare_torch(machine)
    module = _module(rank, recipe, member, machine, run, device)
    if state := read_state(run):
        restore(module, state)
    elif recipe.branch:
        restore(module, trunk_state(recipe, member, run))
        module.window.zero_()
    by_trainer(module, Follower(module), device)


def _module(
    rank: int, recipe: Recipe, member: Member, machine: Machine, run: Path, device: torch.device
) -> VisionModule:
    """A process's copy of the network, with the images on its device."""
    if device.type == "cuda":
        device = torch.device("cuda", rank)
    data = ImageData(recipe, machine.data_folder, member.seed, device)
    module = VisionModule(recipe, member, data, shard=rank, shards=machine.devices).to(device)
    if device.type == "cuda":  # as its images are, and as its convolutions are fastest
        module = module.to(memory_format=torch.channels_last)
    if recipe.match_norms:
        reference = find_reference(recipe, member, run)
        module.reference = NormReference.of(reference, module.names, recipe.epochs)
    return module


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
