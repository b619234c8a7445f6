"""Train members of one game together: what the suite calls."""

import contextlib
import gc
import logging
import warnings
from collections.abc import Callable, Sequence

import lightning
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException

from rl.config import Machine, Member, Recipe
from rl.module import DQNModule
from rl.population import Population
from rl.progress import Progress
from rl.recorder import Recorder
from shared_optim.member import Outcome, RunLog


def train(
    recipe: Recipe,
    members: Sequence[Member],
    logs: Sequence[RunLog],
    machine: Machine,
    *,
    progress: Callable[[Progress], None],
    stop: Callable[[], bool],
    previous: bool = False,
) -> list[Outcome]:
    """Train members that stand at the same position until they are through or `stop` says so.

    Args:
        recipe: what the members share.
        members: K agents.
        logs: their run directories, in the same order; a checkpoint found there is resumed.
        machine: device, threads and the distance of checkpoints.
        progress: called after every chunk of some hundred ticks.
        stop: asked after every chunk; on True the state is saved and training ends.
        previous: resume from the checkpoint before the newest.

    Raises:
        ConfigError: the game is unknown.
        CheckpointError: a checkpoint to resume from cannot be read; nothing has been changed.
    """
    if machine.threads:
        torch.set_num_threads(machine.threads)
    device = torch.device(chosen_device(machine))
    population = Population(recipe, members, device, machine.graphs)
    if device.type == "cuda":
        # float32 is float32 here, and the same run twice the same numbers
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
    recorder = Recorder(population, logs, machine.checkpoint_every, progress, stop)
    recorder.resume(previous=previous)
    if not population.finished:
        _fit(population, recorder)
    outcomes = recorder.outcomes()
    population.close()
    del population, recorder
    gc.collect()  # the Trainer and its module hold each other, and with them the replay
    return outcomes


def chosen_device(machine: Machine) -> str:
    """`cpu` or `cuda`: what `auto` means on this machine."""
    if machine.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return machine.device


def _fit(population: Population, recorder: Recorder) -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Advice about loaders and workers: this loader yields tick counts, not data.
        warnings.filterwarnings("ignore", module="lightning")
        trainer = lightning.Trainer(
            accelerator="gpu" if population.device.type == "cuda" else "cpu",
            devices=1,
            # one process, also inside a SLURM job
            plugins=[LightningEnvironment()],
            max_epochs=population.recipe.iterations - population.position.iteration,
            callbacks=[recorder],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        # Raised after the chunk in which a SIGTERM came: the recorder has saved and stopped.
        with contextlib.suppress(SIGTERMException):
            trainer.fit(DQNModule(population))
