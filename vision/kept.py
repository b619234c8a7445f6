"""States of a run after some of its epochs, for branches and for looks at sharpness on the way.

    RUN/epochs/0050.pt    what `vision.state.capture` gives after epoch 50

Whole files, written once and never deleted by the suite.
"""

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from vision.keeping import state_file
from vision.position import KEPT
from workload.checkpoint import read_state
from workload.errors import UserError
from workload.files import write_whole


def keep(run: Path, epoch: int, state: dict[str, Any]) -> None:
    """Write the state after an epoch, counted from 1."""
    file = state_file(run, epoch)
    file.parent.mkdir(exist_ok=True)
    write_whole(file, lambda stream: torch.save(state, stream))


def kept_epochs(run: Path) -> list[int]:
    """The epochs whose states are kept, in order."""
    found = (re.fullmatch(r"(\d+)\.pt", path.name) for path in (run / KEPT).glob("*.pt"))
    return sorted(int(name[1]) for name in found if name)


def read_kept(run: Path, epoch: int) -> dict[str, Any]:
    """The state after an epoch: kept, or the newest where that is the end of the epoch.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    file = state_file(run, epoch)
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        newest = read_state(run)
        if newest and (newest["epoch"], newest["batches"]) == (epoch, 0):
            return newest
        kept = ", ".join(map(str, kept_epochs(run))) or "none"
        ended = (run / "done.json").exists()
        where = " in another --runs, for it has ended," if ended else ""
        raise UserError(
            f"{run} has not kept epoch {epoch}; kept are {kept}: train it{where} with --keep-every "
            f"N, N a divisor of {epoch}"
        ) from None
    except (RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile, EOFError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "it is empty"
        raise UserError(f"{file} cannot be read: {reason}") from error
    return state
