"""Which states of a run are there, or will be, for others to read. Imports no torch.

RUN/epochs/0050.pt    the state after epoch 50; of a workload with rounds, RUN/rounds/0050.pt
"""

from contextlib import suppress
from pathlib import Path

from workload.checkpoint_files import CheckpointFiles
from workload.errors import UserError


def kept_folder(run: Path, unit: str = "epoch") -> Path:
    """Where states after epochs are kept, and what is measured of them."""
    return run / f"{unit}s"


def state_file(run: Path, epoch: int, unit: str = "epoch") -> Path:
    """Where the state after an epoch is kept."""
    return kept_folder(run, unit) / f"{epoch:04d}.pt"


def will_keep(run: Path, epoch: int, training: tuple[int, int] | None, unit: str = "epoch") -> bool:
    """Whether a run holds the state after an epoch, or will once it has been trained: in a file of
    its own, or as its newest one.

    Args:
        run: its folder, which may not exist yet.
        epoch: counted from 1.
        training: how many epochs it is going to have, and `keep_every`; None where it has finished.
        unit: what the workload calls an epoch.
    """
    if state_file(run, epoch, unit).exists():
        return True
    done = 0
    with suppress(UserError):  # a damaged one is told where it is trained
        done = (CheckpointFiles(run).entry() or {"position": [0]})["position"][0]
    if training is None:
        return epoch == done
    epochs, keep_every = training
    divides = keep_every > 0 and epoch % keep_every == 0
    return (done < epoch <= epochs and divides) or done <= epoch == epochs
