"""A member's state on disk, so that a killed run goes on bit for bit where its checkpoint stood.

    RUN/checkpoint/<position>.pt   parameters, target, optimizer, counters, actions of the phase
    RUN/replay/<first row>.rows    what the replay was given, in segments (rl/replay_file.py)

Of the first, workload/checkpoint_files.py keeps the newest and the one before, and what names them.
Emulators cannot be saved; they are seeded per phase, so the actions since its begin lead back.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rl.config import Recipe
from rl.environment import observation_spec
from rl.memory import ObservationSpec
from rl.population import Population
from rl.position import PHASES, Position
from rl.replay import Rows
from rl.replay_file import ReplayFile
from workload.checkpoint_files import CheckpointFiles, Entry
from workload.errors import CheckpointError
from workload.identity import read_config

WAY_ON = (
    "--without-replay true (in a grid `without_replay: true`) goes on with an empty replay, which "
    "fills again before learning goes on: no longer what an undisturbed run computes, and marked so"
)


class ReplayError(CheckpointError):
    """The replay of a checkpoint cannot be read."""


def delete_replay(run: Path) -> None:
    """Delete the replay's files: a finished run is watched and plotted, not trained on."""
    ReplayFile(run / "replay", capacity=0).delete()


def replay_damage(run: Path) -> Iterator[str]:
    """What is wrong with the replay of a run's newest checkpoint, if that still has one."""
    entry, folder = CheckpointFiles(run).entry(), run / "replay"
    if entry is None or not folder.is_dir():
        return
    try:
        recipe = Recipe(**read_config(run)["recipe"])
        nowhere = _Nowhere(observation_spec(recipe))
        ReplayFile(folder, recipe.replay_capacity).read(nowhere, 0, int(entry["rows"]))
    except (OSError, KeyError, TypeError, ValueError) as error:
        yield f"{folder}: {error}"


@dataclass(frozen=True)
class _Nowhere:
    """Takes the rows of a replay that are read for their checksums' sake."""

    shows: ObservationSpec

    def restore(self, member: int, start: int, rows: Rows) -> None:
        pass


class MemberCheckpoint:
    """One member's checkpoints in its run directory."""

    def __init__(self, run: Path, capacity: int) -> None:
        self._run = run
        self._files = CheckpointFiles(run)
        self._rows = ReplayFile(run / "replay", capacity)

    def exists(self, *, previous: bool = False) -> bool:
        """Whether there is a checkpoint to resume from, or one before it."""
        return self._files.entry(previous=previous) is not None

    def write(self, population: Population, k: int, beside: dict[str, Any]) -> dict[str, Any]:
        """Write member k's present state and what the caller wants kept `beside` it.

        Returns the pointer's entry for `publish`; until then the run resumes from the one before.
        """
        block, g = population.block_of(k)
        self._rows.write(block.replay, g)
        iteration, phase, tick = population.position
        name = f"{iteration:04d}-{PHASES[phase]}-{tick:06d}.pt"
        state = _capture(population, k) | beside
        return {
            "file": name,
            "sha256": self._files.write(name, lambda stream: torch.save(state, stream)),
            "position": list(population.position),
            "rows": state["rows"],
        }

    def publish(self, entry: dict[str, Any]) -> None:
        """Point to a written state; only the one before it is kept beside it."""
        keep = self._files.publish(entry)
        self._rows.forget_before(min(kept["rows"] for kept in keep))

    def load(self, *, previous: bool = False) -> dict[str, Any]:
        """The member's saved state, for `restore`: the newest that is sound, or the one before.

        Raises:
            CheckpointError: there is none.
        """
        self._loaded, state = _read_state(self._run, previous=previous)
        return state

    def load_replay(
        self,
        population: Population,
        k: int,
        state: dict[str, Any],
        stop: Callable[[], bool],
        progress: Callable[[int], None],
    ) -> None:
        """Fill member k's replay as it was when `state` was saved, unless `stop` ends it early;
        `progress` is told of so many rows more.

        Raises:
            ReplayError: rows are missing or damaged.
        """
        try:
            block, g = population.block_of(k)
            self._rows.read(block.replay, g, state["rows"], stop, progress)
        except (OSError, ValueError) as error:
            raise ReplayError(self._run / "replay", str(error), WAY_ON) from error

    def forget_replay(self) -> None:
        """Delete the replay, and the checkpoint before the newest, which cannot do without."""
        self._files.forget_previous()
        self._rows.delete()

    def go_on(self) -> None:
        """Have the state that was loaded as the latest checkpoint, and what was that before put
        aside as `*.damaged`."""
        self._files.go_on_from(self._loaded)


@dataclass(frozen=True)
class TrainedState:
    """What a checkpoint holds of an agent that plays.

    Attributes:
        parameters: name to tensor, float32.
        position: where in its training it stood.
        agent_steps: training steps until then.
    """

    parameters: dict[str, Tensor]
    position: Position
    agent_steps: int


def trained_state(run: Path, *, previous: bool = False) -> TrainedState:
    """What a run's newest checkpoint holds of its agent, or the one before.

    Raises:
        CheckpointError: there is no such checkpoint, or it cannot be read.
    """
    _, state = _read_state(run, previous=previous)
    return TrainedState(
        state["parameters"], Position(*state["position"]), state["counters"]["steps"]
    )


def agent_state(population: Population, k: int) -> TrainedState:
    """What member k's checkpoint would hold of its agent now."""
    return TrainedState(_parameters(population, k), population.position, int(population.steps[k]))


def restore(population: Population, states: Sequence[dict[str, Any]]) -> np.ndarray:
    """Put every member of a fresh population where its saved state stands.

    Returns the actions since the phase began, [T, K], that `Population.resume` replays.
    """
    for k, state in enumerate(states):
        block, g = population.block_of(k)
        for name, value in state["parameters"].items():
            block.parameters[name].detach()[g].copy_(value)
        block.target.load(state["target"], g)
    for block, part in zip(population.blocks, population.slices, strict=True):
        block.online.refresh(block.parameters)
        for name, parameter in block.parameters.items():
            saved = [state["optimizer"].get(name, {}) for state in states[part]]
            if any(saved):
                block.optimizer.state[parameter] = _stacked(saved, population.device)
    return restore_progress(population, states)


def progress_of(population: Population, k: int) -> dict[str, Any]:
    """Member k's state beside its networks, optimizer and replay, for `restore_progress`."""
    block, g = population.block_of(k)
    return {
        "counters": population.counters(k),
        "position": list(population.position),
        "rows": int(block.replay.appended[g]),
        "actions": torch.from_numpy(population.phase_actions[:, k].copy()),
    }


def restore_progress(population: Population, states: Sequence[dict[str, Any]]) -> np.ndarray:
    """Give every member what `progress_of` returned.

    Returns the actions since the phase began, [T, K], that `Population.resume` replays.
    """
    for k, state in enumerate(states):
        population.set_counters(k, state["counters"])
    return torch.stack([state["actions"] for state in states], dim=1).numpy()


def _capture(population: Population, k: int) -> dict[str, Any]:
    block, g = population.block_of(k)
    return {
        "parameters": _parameters(population, k),
        "target": {n: w.cpu().clone() for n, w in block.target.member(g).items()},
        "optimizer": {
            name: {key: _of_member(value, g) for key, value in state.items()}
            for name, parameter in block.parameters.items()
            if (state := block.optimizer.state.get(parameter))
        },
        **progress_of(population, k),
    }


def _parameters(population: Population, k: int) -> dict[str, Tensor]:
    block, g = population.block_of(k)
    return {n: p.detach()[g].cpu().clone() for n, p in block.parameters.items()}


def _stacked(saved: Sequence[dict[str, Any]], device: torch.device) -> dict[str, Any]:
    """The members' optimizer states of one parameter as one: tensors [K, ...], numbers [K].

    A member that has not learned yet, or never needed decay buffers, can share a population with
    some that have.
    """
    stacked: dict[str, Any] = {}
    for key, example in {key: value for state in saved for key, value in state.items()}.items():
        if isinstance(example, Tensor):
            parts = [state.get(key, torch.zeros_like(example)) for state in saved]
            stacked[key] = torch.stack(parts).to(device)
        else:
            stacked[key] = [state.get(key, 0) for state in saved]
    return stacked


def _of_member(value: Any, k: int) -> Any:
    return value[k].cpu().clone() if isinstance(value, Tensor) else value[k]


def _read_state(run: Path, *, previous: bool) -> tuple[Entry, dict[str, Any]]:
    files = CheckpointFiles(run)
    entry = files.sound(previous=previous)
    if entry is None:
        raise CheckpointError(files.pointer, "is missing")
    file = files.folder / entry["file"]
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return entry, state
