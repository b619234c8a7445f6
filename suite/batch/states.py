"""How the runs of a grid stand, read from their directories alone. Imports no torch."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from shared_optim.metric import Metric
from suite.batch.grid_file import GridRun
from suite.results.rows import newest
from suite.runs.heartbeat import beat_of
from suite.runs.log import EVALUATIONS
from suite.runs.session import sessions
from workload.errors import DAMAGE, UserError

Status = Literal["done", "diverged", "running", "waiting", "failed"]


@dataclass(frozen=True)
class RunState:
    """How a run stands.

    Attributes:
        status: `done`, `diverged`, `running`, `waiting` or `failed`.
        score: the newest of the workload's first score, None where there is none yet.
        phase: where a running one is, in words.
        seconds: a finished one's training time, all sessions together; None where unknown.
        seconds_left: a running one's, None where it cannot tell yet.
        error: a failed one's.
    """

    status: Status
    score: float | None = None
    phase: str = ""
    seconds: float | None = None
    seconds_left: float | None = None
    error: str = ""


def state_of(run: GridRun) -> RunState:
    """Read one run's directory. A record that is damaged counts as a failure and is named."""
    path = run.run.path
    try:
        return _state_of(run) if path.is_dir() else RunState("waiting")
    except OSError as error:
        return RunState("failed", error=f"{path} cannot be read: {error.strerror}")


def _state_of(run: GridRun) -> RunState:
    path, score = run.run.path, run.workload.report.scores[0]
    try:
        run.run.has_config()
        done = run.run.done()
        value = _newest(path / EVALUATIONS, run.workload.STEP_KEY, score)
        if done:
            status: Status = "diverged" if done["status"] == "diverged" else "done"
            return RunState(status, value, seconds=_seconds(path))
        if beat := beat_of(path):
            return RunState("running", value, beat.phase, seconds_left=beat.seconds_left)
        if failure := run.run.failure():
            return RunState("failed", value, error=failure)
    except UserError as error:
        return RunState("failed", error=str(error))
    except DAMAGE as error:
        problem = f"{type(error).__name__}: {error}"
        return RunState("failed", error=f"a record in {path} is damaged: {problem}")
    return RunState("waiting", value)


def time_left(states: Sequence[RunState], jobs: int | None = None) -> float | None:
    """Seconds until all have ended, None where nothing tells.

    A waiting run is taken to last as long as the median of those that are done, or else as the
    longest of the running ones still will; as many train beside each other as do now, or `jobs`.
    """
    running = [s.seconds_left for s in states if s.status == "running"]
    known = [seconds for seconds in running if seconds is not None]
    waiting = sum(state.status == "waiting" for state in states)
    if not waiting:
        return max(known) if known else (None if running else 0.0)
    past = [state.seconds for state in states if state.seconds is not None]
    each = statistics.median(past) if past else max(known, default=None)
    at_once = len(running) or jobs
    if each is None or not at_once:
        return None
    return max(max(known, default=0.0), (sum(known) + waiting * each) / at_once)


def _newest(path: Path, step: str, score: Metric) -> float | None:
    try:
        found = newest(path, step, score.keys)
    except OSError:  # what cannot be read does not keep a batch from the others
        return None
    return next((found[key] for key in score.keys if key in found), None)


def _seconds(path: Path) -> float | None:
    try:
        spans = [(session.get("start"), session.get("end")) for session in sessions(path)]
        return sum(
            (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
            for start, end in spans
            if start and end
        )
    except (UserError, *DAMAGE):  # no result depends on it
        return None
