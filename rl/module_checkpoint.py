"""The state of a population in a Lightning checkpoint, and its replay in files beside that.

    checkpoint["state_dict"]         parameters and target networks
    checkpoint["optimizer_states"]   Lightning's
    checkpoint["dqn_population"]     members, recipe, counters, actions of the phase, and where the
                                     replay lies, with the sha256 of its rows' checksums

Lightning does not say which file it saves to: the replay's folder is chosen here. The files only
grow, so several checkpoints share them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl.member_checkpoint import progress_of, restore_progress
from rl.population import Population
from rl.position import TRAINING, Position
from rl.replay_file import ReplayFile
from workload.errors import UserError

if TYPE_CHECKING:
    import lightning

KEY = "dqn_population"
KEPT = 2
"""Of how many checkpoints the rows are kept, the newest ones."""
_FREE = ("iterations", "log_every")
"""Keys of a recipe that may differ where a checkpoint is gone on from."""


class ModuleCheckpoint:
    """What a DQNModule adds to the checkpoints of its Trainer.

    Args:
        population: whose.
        folder: where the replay goes; by default beside what the Trainer's ModelCheckpoint saves.
    """

    def __init__(self, population: Population, folder: Path | str | None) -> None:
        self._population = population
        self._given = Path(folder) if folder else None
        self._files: list[ReplayFile] = []
        self._kept: list[list[int]] = []

    def save(self, checkpoint: dict[str, Any], trainer: lightning.Trainer, iteration: int) -> None:
        """Write what the replay was given since the last time, and add the rest to `checkpoint`.

        Args:
            checkpoint: Lightning's.
            trainer: who saves.
            iteration: that of the epoch.
        """
        population = self._population
        if not self._files:
            self._open(self._free(self._chosen(trainer)))
        states = [progress_of(population, k) for k in range(population.size)]
        for k, (file, state) in enumerate(zip(self._files, states, strict=True)):
            file.write(population.block_of(k)[0].replay, population.block_of(k)[1])
            state["replay_sha256"] = file.digest
        rows = [state["rows"] for state in states]
        self._kept = [*(old for old in self._kept if old != rows), rows][-KEPT:]
        for file, oldest in zip(self._files, self._kept[0], strict=True):
            file.forget_before(oldest)
        checkpoint[KEY] = {
            "members": [asdict(member) for member in population.members],
            "recipe": population.recipe.values(),
            "replay": str(self._files[0].folder.parent.absolute()),
            "iteration": iteration,
            "blocks": _sizes(population),
            "states": states,
        }

    def load(self, checkpoint: Mapping[str, Any], trainer: lightning.Trainer | None) -> int:
        """Put a fresh population where a checkpoint stands, all but networks and optimizer.

        Returns the iteration of the epoch.

        Raises:
            UserError: it cannot be gone on from; nothing has been changed but rows of the replay.
        """
        population = self._population
        saved = checkpoint.get(KEY)
        if saved is None:
            raise UserError(f"checkpoint: has no {KEY!r}: no DQNModule has saved it")
        if trainer is None:
            raise UserError(
                "checkpoint: agents go on with trainer.fit(module, ckpt_path=...), which loads "
                "optimizer and loops too; for the networks alone use module.load_state_dict"
            )
        if population.steps.any() or population.position != Position(0, TRAINING, 0):
            raise UserError(
                "checkpoint: the population has been trained already; make a fresh Population "
                "and DQNModule to go on from a checkpoint"
            )
        self._check_same(saved)
        self._check_blocks(saved, checkpoint)
        self._read_replay(saved, trainer)
        actions = restore_progress(population, saved["states"])
        position = Position(*saved["states"][0]["position"])
        population.resume(position, actions, lambda done: None)
        return int(saved["iteration"])

    def _check_same(self, saved: Mapping[str, Any]) -> None:
        population = self._population
        members = [asdict(member) for member in population.members]
        if saved["members"] != members:
            raise UserError(
                f"checkpoint: holds the members {saved['members']}, but the population has "
                f"{members}; give it the same in the same order"
            )
        ours = population.recipe.values()
        for key, value in (type(population.recipe)().values() | saved["recipe"]).items():
            if key not in _FREE and ours.get(key) != value:
                raise UserError(
                    f"checkpoint: was trained with {key} {value}, but the recipe says "
                    f"{ours.get(key)}; go on with the same recipe"
                )

    def _check_blocks(self, saved: Mapping[str, Any], checkpoint: Mapping[str, Any]) -> None:
        """Lightning's part of a checkpoint has a network and an optimizer for each block."""
        ours, members = _sizes(self._population), self._population.size
        if "blocks" in saved:
            theirs = saved["blocks"]
        else:  # before they were kept, all but the last were of one size
            count = len(checkpoint["optimizer_states"])
            theirs = ours if count == len(ours) else _regular(members, -(-members // count))
        if theirs != ours:
            regular = theirs == _regular(members, theirs[0])
            advice = f"Population(..., block_size={theirs[0]})" if regular else "the same device"
            raise UserError(
                f"checkpoint: keeps its members in blocks of {theirs}, but the population is in "
                f"blocks of {ours}; go on with {advice}"
            )

    def _read_replay(self, saved: Mapping[str, Any], trainer: lightning.Trainer) -> None:
        population = self._population
        folder = Path(saved["replay"])
        if trainer.ckpt_path:  # moved together with the checkpoint
            beside = Path(trainer.ckpt_path).parent / folder.name
            folder = beside if beside.is_dir() else folder
        self._open(folder)
        for k, (file, state) in enumerate(zip(self._files, saved["states"], strict=True)):
            block, g = population.block_of(k)
            try:
                file.read(block.replay, g, state["rows"])
                if file.digest != state["replay_sha256"]:
                    raise ValueError("its rows are those of another training")
            except (OSError, ValueError) as error:
                raise UserError(
                    f"checkpoint: the replay that belongs to it is not in {file.folder}: {error}; "
                    f"the newest {KEPT} checkpoints keep theirs"
                ) from error
        self._kept = [[state["rows"] for state in saved["states"]]]
        chosen = self._chosen(trainer)
        if folder != chosen and (self._given or folder.parent != chosen.parent):
            self._files = []  # what this Trainer saves lies beside its own checkpoints

    def _open(self, folder: Path) -> None:
        capacity = self._population.recipe.replay_capacity
        self._files = [
            ReplayFile(folder / member.label.replace("/", "-"), capacity)
            for member in self._population.members
        ]

    def _chosen(self, trainer: lightning.Trainer) -> Path:
        if self._given:
            return self._given.absolute()
        directory = getattr(trainer.checkpoint_callback, "dirpath", None)
        text = str(directory or trainer.default_root_dir)
        if "://" in text:
            raise UserError(
                f"replay: {text} is no folder of this machine; say where the replay goes with "
                "DQNModule(population, replay_folder=...)"
            )
        return Path(text).absolute() / "replay"

    @staticmethod
    def _free(folder: Path) -> Path:
        """The folder, or one beside it where that holds the replay of another training."""
        names = itertools.chain([folder.name], (f"{folder.name}-v{i}" for i in itertools.count(1)))
        return next(path for path in map(folder.with_name, names) if not path.exists())


def _sizes(population: Population) -> list[int]:
    return [part.stop - part.start for part in population.slices]


def _regular(members: int, size: int) -> list[int]:
    return [min(size, members - k) for k in range(0, members, size)]
