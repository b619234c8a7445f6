"""How far a run in training is, for other processes and machines: RUN/progress.json.

Written every few seconds while a process trains, and deleted when it stops. One that is no longer
renewed was left by a process that was killed.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from suite.runs.directory import Run
from workload.by_products import by_product, discard
from workload.errors import DAMAGE, UserError
from workload.files import read_json, write_json
from workload.progress import Progress

FILE = "progress.json"
EVERY = 5.0
"""Seconds between two beats."""
LOST_AFTER = 300.0
"""Seconds without a beat after which nobody trains the run: longer than any chunk of training."""


@dataclass(frozen=True)
class Beat:
    """Where a run in training stands: `phase` in words, and seconds left where they are known."""

    phase: str
    seconds_left: float | None


@contextmanager
def beating(runs: Sequence[Run]) -> Iterator[Callable[[Progress], None]]:
    """Give the callback for training; it may be called as often as training likes."""
    due = 0.0

    def beat(progress: Progress) -> None:
        nonlocal due
        if time.monotonic() < due:
            return
        due = time.monotonic() + EVERY
        _write(runs, progress.place, progress.seconds_left)

    _write(runs, "starting", None)
    try:
        yield beat
    finally:
        for run in runs:
            discard(run.path / FILE)


def beat_of(run: Path) -> Beat | None:
    """The run's heartbeat, None where no process trains it."""
    try:
        state = read_json(run / FILE)
        if state is None or time.time() - float(state["time"]) > LOST_AFTER:
            return None
        if state["host"] == os.uname().nodename and not alive(int(state["process"])):
            return None
        left = state["seconds_left"]
        return Beat(str(state["place"]), None if left is None else float(left))
    except (UserError, *DAMAGE):
        return None  # torn by a crash: the next beat or session replaces it


def _write(runs: Sequence[Run], phase: str, seconds_left: float | None) -> None:
    state = {
        "time": time.time(),
        "host": os.uname().nodename,
        "process": os.getpid(),
        "place": phase,
        "seconds_left": seconds_left,
    }
    for run in runs:
        with by_product(run.path / FILE):
            write_json(run.path / FILE, state)


def alive(process: int) -> bool:
    """Whether this machine has a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
