"""Train a language model on a prepared text: what the suite calls."""

import functools
import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lm.config import Machine, Recipe
from lm.module import LanguageModule
from lm.recorder import LanguageRecorder
from lm.window_data import WindowData
from lm.workload import WORKLOAD
from workload.branch import branch_state
from workload.member import Member, Outcome, RunLog
from workload.output import say
from workload.progress import Progress
from workload.trainer import fit, prepare_torch

BRANCH_SHARES = (
    *("data", "tokens", "vocabulary", "updates_per_round", "layers", "heads", "width", "context"),
    *("optimizer", "momentum", "batch_size", "accumulate", "weights"),
)
"""Keys in which a branch is like its trunk: text, model, what the optimizer remembers, and which
windows have been seen."""


def train_members(
    recipe: Recipe,
    members: Sequence[Member],
    logs: Sequence[RunLog],
    machine: Machine,
    *,
    progress: Callable[[Progress], None],
    stop: Callable[[], bool],
    previous: bool = False,
) -> list[Outcome]:
    """Train members one after the other, each until it has finished or `stop` says so.

    Args:
        recipe: what the members share.
        members: schemes, lambdas and seeds.
        logs: their run directories, in the same order; a checkpoint found there is resumed.
        machine: device, threads and the distance of checkpoints.
        progress: called after every update.
        stop: asked after every update; on True the state is saved and training ends.
        previous: resume from the checkpoint before the newest.

    Raises:
        ConfigError: the text is not prepared or too short, or another run that is read does not
            fit.
        CheckpointError: a checkpoint to resume from cannot be read; nothing has been changed.
    """
    device = prepare_torch(machine)
    outcomes = []
    for member, log in zip(members, logs, strict=True):
        data = WindowData(recipe, machine.data_folder, member.seed, device)
        module = LanguageModule(recipe, member, data).to(device)
        recorder = LanguageRecorder(
            module, log, machine.checkpoint_every, machine.keep_every, progress, stop
        )
        trunk = functools.partial(trunk_state, recipe, member, log.path)
        recorder.resume(previous=previous, beginning=trunk if recipe.branch else None)
        if not (module.finished or module.diverged or stop()):
            left = recipe.rounds - module.position.epoch
            fit(module, recorder, device=device, epochs=left, data=data)
        if module.diverged:
            say(f"{member.label}: diverged at update {module.watch.update or 'unknown'}")
        outcomes.append(recorder.outcome())
        del module, recorder, data
        gc.collect()  # the Trainer and its module hold each other
    return outcomes


def trunk_state(recipe: Recipe, member: Member, own: Path) -> dict[str, Any]:
    """The state in which a branch begins; see `branch_state`."""
    return branch_state(
        WORKLOAD,
        recipe,
        member,
        own,
        epoch=recipe.branch_round,
        shared=BRANCH_SHARES,
        unit="round",
    )
