"""Where jobs run: what a pool offers, and the one of this process, one job after the other."""

from collections.abc import Callable
from typing import Protocol

from suite.batch.work import Ending, calling, work
from suite.runs.job import Job
from suite.runs.stop import StopRequest

Ended = list[tuple[Job, Ending]]


class Pool(Protocol):
    """Jobs are started; what has ended is asked for."""

    def start(self, job: Job) -> None: ...

    def ended(self, seconds: float) -> Ended:
        """Jobs that have ended since the last call; waits for one up to `seconds`."""

    def stop(self) -> None:
        """Ask every job to save its state and to end."""

    def close(self) -> None:
        """Give up what was taken from the machine; jobs still running are ended."""


class InProcess:
    """One job at a time, in this process and without Ray.

    Args:
        argv: the command, for the record of a run's session.
        stop: asked while training.
        tick: called whenever training reports.
    """

    def __init__(self, argv: list[str], stop: StopRequest, tick: Callable[[], None]) -> None:
        self._argv, self._stop, self._tick = argv, stop, tick
        self._jobs: list[Job] = []

    def start(self, job: Job) -> None:
        self._jobs.append(job)

    def ended(self, seconds: float) -> Ended:
        jobs, self._jobs = self._jobs, []
        return [
            (job, work(job, self._argv, self._stop, lambda title: calling(self._tick)))
            for job in jobs
        ]

    def stop(self) -> None:
        """Nothing to do: the job asks the same StopRequest."""

    def close(self) -> None:
        """Nothing was taken."""
