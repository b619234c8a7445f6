"""Train members of one game together: what the suite calls."""

import gc
from collections.abc import Callable, Sequence

from rl.config import Machine, Recipe
from rl.module import DQNModule
from rl.population import Population
from rl.recorder import PopulationRecorder
from workload.member import Member, Outcome, RunLog
from workload.progress import Progress
from workload.trainer import fit, prepare_torch

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
    previous: bool = False,
) -> list[Outcome]:
    """Train members that stand at the same position until they have finished or `stop` says so.

    Args:
        recipe: what the members share.
        members: K agents.
        logs: their run directories, in the same order; a checkpoint found there is resumed.
        machine: device, threads and the distance of checkpoints.
        progress: called at least once in CHUNK_SECONDS, or with every tick that takes longer.
        stop: asked before every tick; on True the state is saved and training ends.
        previous: resume from the checkpoint before the newest.

    Raises:
        ConfigError: the game is unknown.
        CheckpointError: a checkpoint to resume from cannot be read; nothing has been changed.
    """
    device = prepare_torch(machine)
    population = Population(recipe, members, device, machine.graphs)
    recorder = PopulationRecorder(
        population, logs, machine.checkpoint_every, machine.keep_checkpoints, progress, stop
    )
    if recorder.resume(previous=previous):
        if not population.finished:
            epochs = recipe.iterations - population.position.iteration
            fit(
                DQNModule(population, stop=stop, chunk_seconds=CHUNK_SECONDS),
                recorder,
                device=device,
                epochs=epochs,
            )
        outcomes = recorder.outcomes()
    else:
        outcomes = [Outcome("interrupted") for _ in members]
    population.close()
    del population, recorder
    gc.collect()  # the Trainer and its module hold each other, and with them the replay
    return outcomes
