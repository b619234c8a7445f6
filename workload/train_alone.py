"""Train members one after the other, each a network of its own."""

import functools
import gc
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from workload.listener import Listener
from workload.member import Member, Outcome, RunLog
from workload.memory import give_memory_back
from workload.recorder import NetworkRecorder
from workload.trainer import callback_of, fit


def train_alone(
    members: Sequence[Member],
    logs: Sequence[RunLog],
    recorder_of: Callable[[Member, RunLog], NetworkRecorder[Any]],
    take_rest: Callable[[Any, Listener], None],
    *,
    stop: Callable[[], bool],
    trunk_of: Callable[[Member, RunLog], dict[str, Any]] | None = None,
    beside: Callable[[Member, RunLog], AbstractContextManager[None]] = lambda *_: nullcontext(),
) -> list[Outcome]:
    """Train members, each until it has finished or `stop` says so.

    Args:
        members: schemes, lambdas and seeds.
        logs: their run directories, in the same order; a checkpoint found there is resumed.
        recorder_of: gives the recorder of a member, with its module on the device.
        take_rest: takes the updates that are left of a module: `by_updates`, or the Trainer's.
        stop: asked after every update; on True the state is saved and training ends.
        trunk_of: gives the state in which a branch begins; None where they are none.
        beside: gives what runs the other processes of a member, where its module has any.

    Raises:
        ConfigError: data are not prepared, or another run that is read does not fit.
        CheckpointError: a checkpoint to resume from cannot be read; nothing has been changed.
    """
    outcomes = []
    for member, log in zip(members, logs, strict=True):
        recorder = recorder_of(member, log)
        beginning = None if trunk_of is None else functools.partial(trunk_of, member, log)
        recorder.resume(beginning=beginning)
        module = recorder.module
        goes_on = not (module.finished or module.diverged or stop())
        if goes_on and module.epoch_ended:  # it was stopped while its epoch was looked at
            goes_on = recorder.end_epoch() and not module.finished
        if goes_on:
            with beside(member, log):
                take_rest(module, recorder)
        outcomes.append(recorder.outcome())
        del module, recorder
        gc.collect()  # the Trainer and its module hold each other
        give_memory_back()
    return outcomes


def by_updates(training: Any, listener: Listener) -> None:
    """Take the updates that are left of a training, one after the other, by its own `update`."""
    going = True
    while going and not training.finished:
        training.model.train()
        for batch in training.data.batches:
            training.update(batch)
            going = listener.after_batch()
            if not going:
                break
        going = listener.after_epoch() and going


def by_trainer(
    module: Any,
    listener: Listener,
    device: torch.device,
    begin: Callable[[], None] | None = None,
) -> None:
    """Take those of a LightningModule that holds its data by Lightning's Trainer; see `fit`."""
    fit(
        module,
        callback_of(listener),
        device=device,
        epochs=module.epochs - module.position.epoch,
        processes=module.shards,
        data=module.data,
        begin=begin,
    )
