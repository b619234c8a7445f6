"""Train a model on a prepared corpus: what the suite calls."""

import functools
import gc
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from nlp.config import Machine, Recipe, check_devices
from nlp.data.corpus import Corpus
from nlp.module import TranslationModule
from nlp.recorder import TranslationRecorder
from nlp.state import restore
from workload.checkpoint import read_state
from workload.distributed import followers
from workload.follower import Follower
from workload.listener import Listener
from workload.member import Member, Outcome, RunLog
from workload.memory import give_memory_back
from workload.progress import Progress
from workload.trainer import callback_of, chosen_device, fit, prepare_torch


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
        stop: asked after every update, and often while validating and testing; on True the state
            is saved and training ends.

    Raises:
        ConfigError: the corpus is not prepared, or a sentence fits no batch.
        CheckpointError: a checkpoint to resume from cannot be read; nothing has been changed.
    """
    check_devices(recipe, machine)
    prepare_torch(machine)
    corpus = Corpus.find(machine.data_folder, recipe.data, recipe.preparation)
    outcomes = []
    for member, log in zip(members, logs, strict=True):
        outcome = _train_one(recipe, member, log, corpus, machine, progress, stop)
        outcomes.append(outcome)
        gc.collect()  # the Trainer and its module hold each other
        give_memory_back()
    return outcomes


def _train_one(
    recipe: Recipe,
    member: Member,
    log: RunLog,
    corpus: Corpus,
    machine: Machine,
    progress: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> Outcome:
    module = _module(0, recipe, member, corpus, machine)
    recorder = TranslationRecorder(module, log, machine.checkpoint_every, progress, stop)
    recorder.resume()
    if module.epoch_ended and not (module.diverged or stop()):
        recorder.end_epoch()
    if not (module.finished or module.diverged or stop()):
        module.check_graphs(machine.graphs)
        with followers(machine.devices, _follow, recipe, member, corpus, machine, log.path):
            use_graphs = functools.partial(module.use_graphs, machine.graphs)
            _fit(module, recorder, machine, use_graphs)
    if module.finished and not (module.diverged or stop()):
        recorder.test()
    return recorder.outcome()


def _follow(
    rank: int, recipe: Recipe, member: Member, corpus: Corpus, machine: Machine, run: Path
) -> None:
    """What a process other than the first does: the same updates, nothing written."""
    prepare_torch(machine)
    module = _module(rank, recipe, member, corpus, machine)
    if state := read_state(run):
        restore(module, state)
    _fit(module, Follower(module), machine)


def _module(
    rank: int, recipe: Recipe, member: Member, corpus: Corpus, machine: Machine
) -> TranslationModule:
    device = chosen_device(machine)
    if device.type == "cuda":
        device = torch.device("cuda", rank)
    module = TranslationModule(recipe, member, corpus, shard=rank, shards=machine.devices)
    return module.to(device)


def _fit(
    module: TranslationModule,
    listener: Listener,
    machine: Machine,
    begin: Callable[[], None] | None = None,
) -> None:
    fit(
        module,
        callback_of(listener),
        device=module.device,
        epochs=module.recipe.epochs - module.position.epoch,
        processes=machine.devices,
        begin=begin,
    )
