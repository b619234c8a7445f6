"""One job from beginning to end, in whatever process it runs."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from suite.runs.directory import locked_if_free
from suite.runs.display import ShowProgress
from suite.runs.job import Job
from suite.runs.stop import StopRequest, stop_on_signals
from suite.runs.train_job import Display, train_job
from workload.errors import FullDiskError, UserError
from workload.progress import Progress


@dataclass(frozen=True)
class Ending:
    """How a job ended. What became of its runs stands in their directories.

    Attributes:
        code: 0 ended well, 1 failed (recorded with the runs), 2 refused, 130 or 143 stopped by a
            signal, `LOST` when its process ended without a word, `HOPELESS` when no other job
            would end better.
        message: what was wrong, where the code is 2, LOST or HOPELESS.
    """

    code: int
    message: str = ""


LOST, HOPELESS = -1, -2


def work(job: Job, argv: list[str], stop: StopRequest, display: Display) -> Ending:
    """Train those runs of a job that are not finished and that no other process has locked."""
    try:
        waiting = [run for run in job.runs if not run.done()]
        if not waiting:
            return Ending(0)
        code = train_job(job, waiting, argv, stop, lock=locked_if_free, display=display)
    except FullDiskError as error:
        elsewhere = any(_on_another_disk(run.path, job.folder) for run in job.runs)
        return Ending(2 if elsewhere else HOPELESS, str(error))
    except UserError as error:
        return Ending(2, str(error))
    except OSError as error:  # of the run directories: no permission
        return Ending(2, f"{type(error).__name__}: {error}")
    return Ending(code)


def _on_another_disk(run: Path, runs: Path) -> bool:
    """Whether a run's directory is a link to, or a mount of, another file system than the runs'."""
    with suppress(OSError):
        return run.stat().st_dev != runs.stat().st_dev
    return False


def work_elsewhere(job: Job, argv: list[str], folder: Path) -> Ending:
    """`work` in a process of its own, with its own handlers of signals, in the batch's folder.

    Paths in a job are relative to that folder, on whatever machine.
    """
    try:
        os.chdir(folder)
    except OSError as error:
        host = os.uname().nodename
        return Ending(
            HOPELESS,
            f"the machine {host} does not see the folder {folder} ({error.strerror}); all machines "
            "of a cluster need it under the same path: see docs/clusters.md",
        )
    with stop_on_signals() as stop:
        return work(job, argv, stop, display=lambda title: calling(lambda: None))


@contextmanager
def calling(tick: Callable[[], None]) -> Iterator[ShowProgress]:
    """A display that shows nothing of its own and calls `tick` whenever training reports."""

    def show(progress: Progress) -> None:
        tick()

    yield show
