"""Train a language model on a prepared text: what the suite calls."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lm.config import Machine, Recipe
from lm.language_training import LanguageTraining
from lm.recorder import LanguageRecorder
from lm.window_data import WindowData
from lm.workload import WORKLOAD
from workload.branch import branch_state
from workload.member import Member, Outcome, RunLog
from workload.progress import Progress
from workload.train_alone import by_updates, train_alone
from workload.trainer import prepare_torch

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
        ConfigError: the text is not prepared or too short, or another run that is read does not
            fit.
        CheckpointError: a checkpoint to resume from cannot be read; nothing has been changed.
    """
    device = prepare_torch(machine)

    def recorder_of(member: Member, log: RunLog) -> LanguageRecorder:
        data = WindowData(recipe, machine.data_folder, member.seed, device)
        training = LanguageTraining(recipe, member, data)
        training.model.to(device)
        return LanguageRecorder(
            training, log, machine.checkpoint_every, machine.keep_every, progress, stop
        )

    def trunk_of(member: Member, log: RunLog) -> dict[str, Any]:
        return trunk_state(recipe, member, log.path)

    return train_alone(
        members,
        logs,
        recorder_of,
        by_updates,
        stop=stop,
        trunk_of=trunk_of if recipe.branch else None,
    )


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
