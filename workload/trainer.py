"""Lightning's Trainer as workloads use it: quiet, with a callback that records and saves."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch

from workload.listener import Listener
from workload.memory import keep_freed_memory
from workload.recipe import MachineBase

if TYPE_CHECKING:
    import lightning


def prepare_torch(machine: MachineBase) -> torch.device:
    """Take the threads that a machine names, and return its device: what `auto` means here.

    On a GPU convolutions of float32 are in float32 from here on, and give the same numbers twice;
    on a CPU freed memory is kept.
    """
    torch.set_num_threads(machine.threads)
    device = chosen_device(machine)
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
    else:
        keep_freed_memory()
    return device


def chosen_device(machine: MachineBase) -> torch.device:
    """`cpu` or `cuda`: what `auto` means on this machine."""
    if machine.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(machine.device)


def callback_of(listener: Listener) -> lightning.Callback:
    """A callback by which a Trainer tells a listener, and stops where it says so."""
    import lightning

    class Told(lightning.Callback):
        def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
            trainer.should_stop = not listener.after_batch()

        def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
            if not listener.after_epoch():
                trainer.should_stop = True

    return Told()


def fit(
    module: lightning.LightningModule,
    callback: lightning.Callback,
    *,
    device: torch.device,
    epochs: int,
    processes: int = 1,
    data: lightning.LightningDataModule | None = None,
    begin: Callable[[], None] | None = None,
) -> None:
    """Train a module until `epochs` have ended or the callback stops it.

    Rows, checkpoints and the display are a listener's: the Trainer's own are off, because they
    know neither members nor where in an epoch to go on from.

    Args:
        module: its precision, loader and optimizer are its own.
        callback: see `callback_of`.
        device: where the module is.
        epochs: at most.
        processes: that share each update, each with a device of its own, over DDP.
        data: the loader, where it is not the module's own.
        begin: called when the Trainer has the device ready. CUDA graphs are captured there and not
            before: the Trainer frees the memory that cuBLAS has taken until then, in which the
            products of a graph go on writing.
    """
    # here alone: a workload with a loop of its own need not wait for it
    import lightning
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.pytorch.strategies import DDPStrategy
    from lightning.pytorch.utilities.exceptions import SIGTERMException

    class Begin(lightning.Callback):
        def on_train_start(self, *_: Any) -> None:
            if begin:
                begin()

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Advice about loaders and workers: these loaders give no plain data.
        warnings.filterwarnings("ignore", module="lightning")
        # DDP's, of kernels of 1 x 1, whose gradients it copies.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        trainer = lightning.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=processes,
            # rank 0 validates alone while the others wait for its next update
            strategy=DDPStrategy(timeout=timedelta(hours=6)) if processes > 1 else "auto",
            # the processes are ours, also inside a SLURM job
            plugins=[LightningEnvironment()],
            max_epochs=epochs,
            callbacks=[Begin(), callback],
            use_distributed_sampler=False,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        # Raised after the batch in which a SIGTERM came: the listener has saved and stopped.
        with contextlib.suppress(SIGTERMException):
            trainer.fit(module, datamodule=data)
