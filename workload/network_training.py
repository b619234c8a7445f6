"""Train members one after the other, each a network of its own."""

import functools
import gc
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import lightning
import torch

from workload.member import Member, Outcome, RunLog
from workload.memory import give_memory_back
from workload.recorder import NetworkRecorder
from workload.trainer import fit


def train_alone(
    members: Sequence[Member],
    logs: Sequence[RunLog],
    recorder_of: Callable[[Member, RunLog], NetworkRecorder[Any]],
    *,
    device: torch.device,
    stop: Callable[[], bool],
    trunk_of: Callable[[Member, RunLog], dict[str, Any]] | None = None,
    begin: Callable[[Any], None] = lambda module: None,
    beside: Callable[[Member, RunLog], AbstractContextManager[None]] = lambda *_: nullcontext(),
) -> list[Outcome]:
    """Train members, each until it has finished or `stop` says so.

    Args:
        members: schemes, lambdas and seeds.
        logs: their run directories, in the same order; a checkpoint found there is resumed.
        recorder_of: gives the recorder of a member, with its module on the device.
        device: where the modules are.
        stop: asked after every update; on True the state is saved and training ends.
        trunk_of: gives the state in which a branch begins; None where they are none.
        begin: called with the module when the Trainer has the device ready.
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
                fit_rest(module, recorder, device, functools.partial(begin, module))
        outcomes.append(recorder.outcome())
        del module, recorder
        gc.collect()  # the Trainer and its module hold each other
        give_memory_back()
    return outcomes


def fit_rest(
    module: Any,
    callback: lightning.Callback,
    device: torch.device,
    begin: Callable[[], None] | None = None,
) -> None:
    """Train the epochs that are left of a module which holds its data."""
    fit(
        module,
        callback,
        device=device,
        epochs=module.epochs - module.position.epoch,
        processes=module.shards,
        data=module.data,
        begin=begin,
    )
