"""Train members of one game together: what the suite calls."""

import gc
import time
from collections.abc import Callable, Sequence

from rl.config import Machine, Recipe
from rl.member_checkpoint import WAY_ON, MemberCheckpoint, ReplayError
from rl.population import CHUNK, Population
from rl.position import MemberRow
from rl.recorder import PopulationRecorder
from workload.member import Member, Outcome, RunLog
from workload.memory import give_memory_back
from workload.output import warn
from workload.progress import Progress
from workload.trainer import prepare_torch

CHUNK_SECONDS = 1.0
"""The display is renewed, and a checkpoint that is due saved, after at most as long."""


def train_population(
    recipe: Recipe,
    members: Sequence[Member],
    logs: Sequence[RunLog],
    machine: Machine,
    *,
    progress: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> list[Outcome]:
    """Train members that stand at the same position until they have finished or `stop` says so.

    Args:
        recipe: what the members share.
        members: K agents.
        logs: their run directories, in the same order; a checkpoint found there is resumed.
        machine: device, threads and the distance of checkpoints.
        progress: called at least once in CHUNK_SECONDS, or with every tick that takes longer.
        stop: asked before every tick; on True the state is saved and training ends.

    Raises:
        ConfigError: the game is unknown.
        CheckpointError: a checkpoint to resume from cannot be read; nothing has been changed.
    """
    device = prepare_torch(machine)

    def beginning() -> tuple[Population, PopulationRecorder]:
        population = Population(recipe, members, device, machine.graphs)
        every, keep = machine.checkpoint_every, machine.keep_checkpoints
        return population, PopulationRecorder(population, logs, every, keep, progress, stop)

    ways = [(False, True)]
    if len(members) == 1:
        ways += _ways(MemberCheckpoint(logs[0].path, recipe.replay_capacity), machine)
    population, recorder, resumed = _resumed(beginning, ways)
    if resumed:
        while not population.finished and recorder.record(_chunk(population, stop)):
            pass
        outcomes = recorder.outcomes()
    else:
        outcomes = [Outcome("interrupted") for _ in members]
    population.close()
    del population, recorder
    gc.collect()  # what holds itself, and with it the replay
    give_memory_back()
    return outcomes


def _chunk(population: Population, stop: Callable[[], bool]) -> list[MemberRow]:
    """Some ticks; fewer where they take long or `stop` says so."""
    end = time.monotonic() + CHUNK_SECONDS
    return population.run(CHUNK, lambda: stop() or time.monotonic() >= end)


def _resumed(
    beginning: Callable[[], tuple[Population, PopulationRecorder]],
    ways: Sequence[tuple[bool, bool]],
) -> tuple[Population, PopulationRecorder, bool]:
    """A population where its checkpoints stand, its recorder, and whether it got there.

    Args:
        beginning: makes both.
        ways: `previous` and `with_replay` of `PopulationRecorder.resume`, tried in this order.

    Raises:
        CheckpointError: none of them is possible.
    """
    for number, (previous, with_replay) in enumerate(ways, 1):
        population, recorder = beginning()
        try:
            resumed = recorder.resume(previous=previous, with_replay=with_replay)
            return population, recorder, resumed
        except ReplayError as error:
            population.close()
            if number == len(ways):
                both = ", and both checkpoints need it" if number > 1 else ""
                raise ReplayError(error.path, error.problem + both, WAY_ON) from error
            warn(f"{error.path}: {error.problem}")
        del population, recorder
        gc.collect()  # a replay of which there is no room for two
    raise ValueError("no way to begin")


def _ways(checkpoint: MemberCheckpoint, machine: Machine) -> list[tuple[bool, bool]]:
    """How a member that is trained alone may go on where its replay is damaged: from the checkpoint
    before the newest, which comes to the same; without its replay, where that is asked for."""
    further = [(True, True)] if checkpoint.exists(previous=True) else []
    return further + ([(False, False)] if machine.without_replay else [])
