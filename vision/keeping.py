"""Which states of a run are there, or will be, for others to read. Imports no torch."""

from contextlib import suppress
from pathlib import Path

from vision.position import KEPT
from workload.checkpoint_files import CheckpointFiles
from workload.errors import UserError


def state_file(run: Path, epoch: int) -> Path:
    """Where the state after an epoch is kept."""
    return run / KEPT / f"{epoch:04d}.pt"


def will_keep(run: Path, epoch: int, training: tuple[int, int] | None) -> bool:
    """Whether a run holds the state after an epoch, or will once it has been trained: in a file of
    its own, or as its newest one.

    Args:
        run: its folder, which may not exist yet.
        epoch: counted from 1.
        training: how many epochs it is going to have, and `keep_every`; None where it has finished.
    """
    if state_file(run, epoch).exists():
        return True
    done = 0
    with suppress(UserError):  # a damaged one is told where it is trained
        done = (CheckpointFiles(run).entry() or {"position": [0]})["position"][0]
    if training is None:
        return epoch == done
    epochs, keep_every = training
    divides = keep_every > 0 and epoch % keep_every == 0
    return (done < epoch <= epochs and divides) or done <= epoch == epochs
