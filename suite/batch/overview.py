"""How a grid stands, as text: counts, a score per cell, what is running, what failed."""

import statistics
from collections.abc import Sequence

from suite.batch.grid_file import Grid, GridRun
from suite.batch.states import RunState, time_left
from workload.exhibits.labels import printable, settings
from workload.output import aligned
from workload.wording import duration

FAILURES, RUNNING = 5, 8
"""Most failures, and populations in training, that are named."""
MARKS = {"running": "*", "failed": "!", "diverged": "~"}
LEGEND = "done/runs and the mean of the last scores; * running, ! failed, ~ diverged"


def describe_grid(grid: Grid, states: Sequence[RunState], jobs: int | None = None) -> str:
    """All of it; `jobs` is how many train at once, where that is known."""
    parts = [
        summary(grid.file.name, states, jobs),
        matrix(grid.runs, states),
        "\n".join([*running(grid.runs, states), *failures(grid.runs, states)]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def summary(name: str, states: Sequence[RunState], jobs: int | None = None) -> str:
    """One line: how many are done, running, waiting, failed, and how long it will take."""
    count = {status: sum(s.status == status for s in states) for status in _STATUSES}
    parts = [f"{count['done'] + count['diverged']} of {len(states)} done"]
    parts += [
        f"{count[status]} {status}" for status in ("diverged", "running", "waiting", "failed")
    ]
    left = time_left(states, jobs)
    unfinished = count["running"] + count["waiting"]
    tail = f"; about {duration(left)} left" if left and unfinished else ""
    named = [part for part in parts if not part.startswith("0 ") or part.endswith(" done")]
    return f"{name}: {', '.join(named)}{tail}"


def matrix(runs: Sequence[GridRun], states: Sequence[RunState]) -> str:
    """A table per workload: settings downwards, tasks across."""
    workloads = list(dict.fromkeys(run.workload.NAME for run in runs))
    tables = []
    for name in workloads:
        own = [(r, s) for r, s in zip(runs, states, strict=True) if name == r.workload.NAME]
        tables.append(_table(own))
    return "\n\n".join([*tables, LEGEND])


def running(runs: Sequence[GridRun], states: Sequence[RunState]) -> list[str]:
    """A line for the runs in training that stand at the same point, as a population's do."""
    groups: dict[tuple[str, str], list[RunState]] = {}
    for run, state in zip(runs, states, strict=True):
        if state.status == "running":
            key = (run.workload.task(run.recipe), state.phase)
            groups.setdefault(key, []).append(state)
    lines = []
    for (task, phase), group in groups.items():
        left = max((state.seconds_left or 0 for state in group), default=0)
        count = f" ({len(group)} runs)" if len(group) > 1 else ""
        lines.append(f"{task}{count} {phase}" + (f", {duration(left)} left" if left else ""))
    return _first(lines, RUNNING, "running")


def failures(runs: Sequence[GridRun], states: Sequence[RunState]) -> list[str]:
    """A line for each failure, the first ones."""
    lines = [
        f"failed: {run.run.path}: {printable(state.error)}"
        for run, state in zip(runs, states, strict=True)
        if state.status == "failed"
    ]
    return _first(lines, FAILURES, "failed")


_STATUSES = ("done", "diverged", "running", "waiting", "failed")


def _first(lines: list[str], most: int, what: str) -> list[str]:
    more = [f"and {len(lines) - most} more {what}"] if len(lines) > most else []
    return lines[:most] + more


def _table(own: Sequence[tuple[GridRun, RunState]]) -> str:
    labels = _labels([run for run, _ in own])
    cells: dict[tuple[str, str], list[RunState]] = {}
    for (run, state), label in zip(own, labels, strict=True):
        cells.setdefault((label, run.workload.task(run.recipe)), []).append(state)
    rows = list(dict.fromkeys(labels))
    columns = list(dict.fromkeys(task for _, task in cells))
    decimals = own[0][0].workload.report.scores[0].decimals
    table = [["", *columns]]
    for row in rows:
        of_row = [cells.get((row, column), []) for column in columns]
        table.append([row, *(_cell(states, decimals) for states in of_row)])
    return "\n".join(aligned(table, left=1))


def _labels(runs: Sequence[GridRun]) -> list[str]:
    recipes = [run.run.config["recipe"] for run in runs]
    return settings([run.member for run in runs], recipes, {runs[0].workload.TASK_KEY})


def _cell(states: Sequence[RunState], decimals: int) -> str:
    if not states:
        return "-"
    ended = sum(state.status in ("done", "diverged") for state in states)
    scores = [state.score for state in states if state.score is not None]
    marks = "".join(
        mark for status, mark in MARKS.items() if any(s.status == status for s in states)
    )
    mean = f" {statistics.mean(scores):.{decimals}f}" if scores else ""
    return f"{ended}/{len(states)}{mean}{marks}"
