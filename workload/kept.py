"""States of a run after some of its epochs, for branches and for looks at them on the way.

They are what a workload captures for a checkpoint: whole files, written once and never deleted by
the suite. What a workload calls an epoch is its `unit`.
"""

import re
from pathlib import Path
from typing import Any

import torch

from workload import tensor_file
from workload.checkpoint import read_state
from workload.errors import UserError
from workload.files import write_whole
from workload.keeping import kept_folder, state_file


def keep(run: Path, epoch: int, state: dict[str, Any], unit: str = "epoch") -> None:
    """Write the state after an epoch, counted from 1."""
    file = state_file(run, epoch, unit)
    file.parent.mkdir(exist_ok=True)
    write_whole(file, lambda stream: torch.save(state, stream))


def kept_epochs(run: Path, unit: str = "epoch") -> list[int]:
    """The epochs whose states are kept, in order."""
    files = kept_folder(run, unit).glob("*.pt")
    found = (re.fullmatch(r"(\d+)\.pt", path.name) for path in files)
    return sorted(int(name[1]) for name in found if name)


def read_kept(run: Path, epoch: int, unit: str = "epoch") -> dict[str, Any]:
    """The state after an epoch: kept, or the newest where that is the end of the epoch.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    file = state_file(run, epoch, unit)
    problem = f"{run} has not kept {unit} {epoch}"
    try:
        return tensor_file.load(file)
    except FileNotFoundError:
        pass
    except Exception as error:  # torch reports damage in many ways
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "it is empty"
        problem = f"{file} cannot be read: {reason}"
    newest = read_state(run)
    if newest and (newest["epoch"], newest["batches"]) == (epoch, 0):
        return newest
    kept = ", ".join(str(each) for each in kept_epochs(run, unit) if each != epoch) or "none"
    where = " in another --runs, for it has ended," if (run / "done.json").exists() else ""
    raise UserError(
        f"{problem}; kept are {kept}: train it{where} with --keep-every N, N a divisor of {epoch}"
    )
