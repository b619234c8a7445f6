"""From jobs to finished runs: start jobs, see how they end, try again what may be."""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from suite.batch.packing import split_job
from suite.batch.pool import Pool
from suite.batch.work import HOPELESS, Ending
from suite.runs.directory import Run
from suite.runs.job import Job
from suite.runs.stop import StopRequest
from suite.runs.train_job import record_failure
from workload.errors import UserError
from workload.resources import nearest, owner, writable

WAIT = 1.0
"""Seconds to wait for a job's end before the display is renewed."""
LATER = 5.0
"""Seconds before the next attempt at a run that another process holds, or whose own was lost."""
PATIENCE = 60.0
"""Seconds with nothing to do but to wait for others, after which their runs are left to them."""


class LostError(Exception):
    """The process of a job ended without a word: killed, or its machine is gone."""


@dataclass(frozen=True)
class Retries:
    """What is tried again.

    Attributes:
        most: further attempts per run after a lost process or a chosen failure.
        errors: names of exceptions, e.g. `OutOfMemoryError`, whose failures are tried again.
    """

    most: int = 3
    errors: tuple[str, ...] = ()


class Driver:
    """Trains runs with a pool until none is left to be trained, or others train what is left.

    Args:
        pool: where jobs run.
        at_once: how many.
        retries: what is tried again.
        stop: asked between jobs; on True all of them are asked to save and end.
        tick: called every second or so.

    Attributes:
        refused: why a run has failed, by its directory, where that cannot be written there.
    """

    def __init__(
        self,
        pool: Pool,
        at_once: int,
        retries: Retries,
        stop: StopRequest,
        tick: Callable[[], None],
    ) -> None:
        self._pool, self._at_once = pool, at_once
        self._retries, self._stop, self._tick = retries, stop, tick
        self._queue: deque[Job] = deque()
        self._running: list[tuple[float, Job]] = []  # with the time at which it was started
        self._attempts: Counter[Path] = Counter()
        self._locked: set[Path] = set()  # runs whose lock another process was found to hold
        self._worked = time.monotonic()  # when a job last did anything
        self._later: list[tuple[float, Job]] = []  # with the time before which it is not started
        self.refused: dict[Path, str] = {}
        self._hopeless = ""  # why no job can be trained any more

    def train(self, jobs: Sequence[Job]) -> int:
        """Train; returns the exit code: 0, or that of the signal that stopped it.

        Raises:
            UserError: the disk is full, or a machine does not see the folder of the batch. Jobs
                that were running have been asked to save.
        """
        self._queue.extend(jobs)
        try:
            return self._train()
        except UserError:  # nothing runs any more, or there is nobody left to be asked
            raise
        except Exception:
            self._save_what_runs()
            raise

    def _train(self) -> int:
        stopping = False
        while self._queue or self._running or self._later:
            if (self._stop() or self._hopeless) and not stopping:
                stopping = True
                self._drop()
                self._pool.stop()
            if self._others_train_the_rest():
                self._drop()
            self._start()
            self._tick()
            for job, ending in self._pool.ended(WAIT):
                self._running = [entry for entry in self._running if entry[1] is not job]
                self._handle(job, ending)
            if not self._running and not self._queue:
                time.sleep(WAIT if self._later else 0)
        if self._hopeless:
            raise UserError(self._hopeless)
        return self._stop.exit_code if self._stop() else 0

    def _save_what_runs(self) -> None:
        """Before an error of the driver's own ends the batch: its jobs are not to blame for it."""
        self._pool.stop()
        end = time.monotonic() + PATIENCE
        while self._running and time.monotonic() < end:
            ended = [job for job, _ in self._pool.ended(WAIT)]
            self._running = [entry for entry in self._running if entry[1] not in ended]

    def _start(self) -> None:
        now = time.monotonic()
        self._queue.extend(job for due, job in self._later if due <= now)
        self._later = [(due, job) for due, job in self._later if due > now]
        while self._queue and len(self._running) < self._at_once:
            job = self._writable_part(self._queue.popleft())
            if job is None:
                continue
            self._running.append((now, job))
            self._pool.start(job)

    def _drop(self) -> None:
        """Start nothing more."""
        self._queue.clear()
        self._later.clear()

    def _others_train_the_rest(self) -> bool:
        """Whether for a while each attempt at what is left has found it locked."""
        now = time.monotonic()
        if any(now - start > LATER for start, _ in self._running):  # an attempt is shorter
            self._worked = now
        left = (*self._queue, *(job for _, job in self._later))
        tried = all(run.path in self._locked for job in left for run in job.runs)
        return tried and now - self._worked > PATIENCE

    def _handle(self, job: Job, ending: Ending) -> None:
        left = [run for run in job.runs if not _is_done(run)]
        if len(left) < len(job.members) or ending.code:
            self._worked = time.monotonic()
        if ending.code == HOPELESS:
            self._hopeless = self._hopeless or ending.message
        if not left or self._stop() or self._hopeless:
            return
        match ending.code:
            case 0 | 1:
                failed = [run for run in left if _has_failed(run)]
                if failed and ending.code == 1:
                    self._after_failure(job, failed)
                locked = [run for run in left if run not in failed]  # by another process
                self._locked |= {run.path for run in locked}
                self._start_later(split_job(job.of(locked)))
            case 2 if len(left) > 1:  # one of them is to blame; the others may go on
                kept = self._writable_part(job.of(left))
                if kept is not None:
                    whole = len(kept.members) == len(left)
                    self._queue.extend(split_job(kept) if whole else [kept])
            case 2:
                self._record(left, UserError(ending.message))
            case _:
                self._after_loss(job, left, ending)

    def _after_failure(self, job: Job, failed: Sequence[Run]) -> None:
        names = {str(run.failure()).partition(":")[0] for run in failed}
        if names & set(self._retries.errors) and self._again(failed):
            self._queue.append(job.of(failed))

    def _after_loss(self, job: Job, left: Sequence[Run], ending: Ending) -> None:
        if self._again(left):
            self._start_later([job.of(left)])  # a lost machine may not be noticed at once
        else:
            self._record(left, LostError(f"its process was lost again and again; {ending.message}"))

    def _start_later(self, jobs: Sequence[Job]) -> None:
        self._later += [(time.monotonic() + LATER, job) for job in jobs]

    def _writable_part(self, job: Job) -> Job | None:
        """The job without the runs whose directory cannot be written to, which have failed: those
        of another user, of a file system for reading alone. None where no run is left."""
        kept = []
        for run in job.runs:
            if writable(run.path):
                kept.append(run)
            else:
                where = nearest(run.path)
                problem = f"{where} cannot be written to; it belongs to {owner(where)}"
                self._record([run], UserError(problem))
        return job if len(kept) == len(job.runs) else job.of(kept) if kept else None

    def _record(self, runs: Sequence[Run], error: Exception) -> None:
        """Have these runs' failure in their directories, or else in `refused`."""
        for run in runs:
            try:
                run.create()
                record_failure([run], error)
            except (OSError, UserError):
                self.refused[run.path] = " ".join(str(error).split())

    def _again(self, runs: Sequence[Run]) -> bool:
        """Whether these runs get one more attempt."""
        paths = [run.path for run in runs]
        self._attempts.update(paths)
        return max(self._attempts[path] for path in paths) <= self._retries.most


def _is_done(run: Run) -> bool:
    with suppress(UserError):  # damaged
        return bool(run.done())
    return False


def _has_failed(run: Run) -> bool:
    with suppress(UserError):  # damaged
        return bool(run.failure())
    return False
