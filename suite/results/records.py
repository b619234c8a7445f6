"""Runs on disk as records: what they have logged, as far as it is asked for.

A run or a line that cannot be read is named and left out; the others are read.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from shared_optim.figures import DROWNED, FIGURES, QUANTILE_KEYS, WEIGHT_NORM
from shared_optim.metric import Metric
from suite.results import rows
from suite.results.rows import LogRow, number
from suite.results.selection import (
    RESULT_FILES,
    LeaveOut,
    RunDescription,
    common_lengths,
    describe,
    one_of_each,
)
from suite.runs.directory import Run
from suite.runs.final import damaged
from suite.runs.log import EVALUATIONS, METRICS
from suite.runs.session import remarks
from workload.errors import DAMAGE, UserError
from workload.exhibits.labels import printable
from workload.exhibits.record import Columns, Record
from workload.output import warn
from workload.report import Report

POINTS = 200
"""Rows of metrics that are kept of a long run, unless more are asked for."""
OPTIMIZER_KEYS = (WEIGHT_NORM.key, DROWNED.key, *QUANTILE_KEYS.values())


def length_notes(records: Sequence[Record], key: str) -> list[str]:
    """A sentence per task whose runs are of unequal length, the recipe's `key`, and are cut."""
    lengths: dict[str, set[int]] = {}
    for record in records:
        if record.length_is_free:
            lengths.setdefault(record.full_task, set()).add(record.length)
    tasks = {record.full_task: record.task for record in records}
    return [
        f"Runs on {tasks[task]} are of unequal length ({key} "
        f"{', '.join(map(str, sorted(own)))}): all are compared at {key} {min(own)}, "
        "and what a longer run did later is left out."
        for task, own in lengths.items()
        if len(own) > 1
    ]


def remark_notes(records: Sequence[Record]) -> list[str]:
    """A sentence per run whose record says that it is not what an undisturbed one would be."""
    found = ((record, remarks(record.path)) for record in records)
    return [
        f"{record.task} {record.member.label} was disturbed: {printable('; '.join(texts))}."
        for record, texts in found
        if texts
    ]


def read(
    described: Sequence[RunDescription],
    last: int,
    leave_out: LeaveOut,
    *,
    points: int = POINTS,
    whole: bool = False,
) -> list[Record]:
    """The records of the runs that can be read; the others, and damaged lines, are named.

    Args:
        described: the runs.
        last: newest evaluations whose mean is the score, where a score is a mean.
        leave_out: told what could not be read.
        points: rows of metrics that are kept of a long run.
        whole: keep what is beyond the length that all runs of a task have.
    """
    common = {} if whole else common_lengths([run for run in described if run.on_disk])
    records = []
    for run in described:
        shortest = common.get(run.column(), run.length)
        compared_at = shortest if run.length_is_free and shortest < run.length else None
        try:
            records.append(_record(run, last, leave_out, points, compared_at))
        except (UserError, OSError) as error:
            leave_out(str(error))
        except DAMAGE as error:
            leave_out(f"{run.run.path} cannot be read: {type(error).__name__}: {error}")
    return records


def read_runs(runs: Sequence[Run], *, points: int = POINTS, whole: bool = False) -> list[Record]:
    """The records of runs that a command shows; what is left out is named on stderr.

    Raises:
        UserError: none can be read; it says why.
    """
    reasons: list[str] = []
    described = one_of_each(describe(runs, reasons.append), reasons.append)
    records = read(described, 1, reasons.append, points=points, whole=whole)
    if not records:
        raise UserError("; ".join(reasons))
    for reason in reasons:
        warn(f"left out: {reason}")
    return records


def by_workload(records: Sequence[Record]) -> list[list[Record]]:
    """The records of each workload: their rows have nothing in common to be shown over."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.workload, []).append(record)
    return list(groups.values())


def _record(
    described: RunDescription,
    last: int,
    leave_out: LeaveOut,
    points: int,
    compared_at: int | None,
) -> Record:
    run, workload, report = described.run, described.workload, described.report
    step = workload.STEP_KEY
    if problems := damaged(run.path, RESULT_FILES):
        raise UserError("; ".join(problems))
    for problem in damaged(run.path, (METRICS,)):
        leave_out(f"{problem}; what is shown of its inside may be wrong")
    evaluations = rows.rows(run.path / EVALUATIONS, step, leave_out)
    until = math.inf
    if compared_at is not None:
        evaluations, until = _cut(evaluations, workload.EPOCH_KEY, step, compared_at)
    between = [curve.metric for curve in report.curves if curve.between]
    during = (*between, *report.others, *report.drawn)
    keys = [step, *OPTIMIZER_KEYS, *(metric.key for metric in during)]
    path = run.path / METRICS
    sample = rows.sample(path, step, leave_out, most=points, keys=keys, until=until)
    diverged_at = sample.diverged_at
    status = "diverged" if diverged_at is not None else _status(run)
    if diverged_at is not None and diverged_at > until:
        diverged_at = None  # after all that is compared
    counts = status == "finished" or (math.isfinite(until) and diverged_at is None)
    scores, stands_in = _scores(report, evaluations, last)
    drawn = [metric.key for metric in _evaluation_metrics(report)]
    newest = _newest(evaluations, _table_keys(report))
    missing = [figure.key for figure in (*FIGURES, *report.others) if figure.key not in newest]
    newest |= rows.newest(path, step, missing, until)
    return Record(
        path=run.path,
        workload=workload.NAME,
        task=printable(described.task),
        full_task=printable(described.full_task),
        recipe=described.recipe,
        member=described.member,
        values=described.values,
        status=status,
        error=run.failure() if status == "failed" else None,
        length=described.length,
        length_is_free=described.length_is_free,
        compared_at=compared_at,
        scores=scores if counts else {},
        stands_in=stands_in,
        newest=newest,
        signatures=_signatures(evaluations),
        step=step,
        epoch_key=workload.EPOCH_KEY,
        evaluations=_columns(evaluations, [workload.EPOCH_KEY, step, *drawn]),
        metrics=_columns(sample.rows, keys),
        diverged_at=diverged_at,
    )


def _cut(
    evaluations: list[LogRow], epoch_key: str, step: str, length: int
) -> tuple[list[LogRow], float]:
    """The rows of the first so many iterations or epochs; and the step at which the last of them
    ended, infinite where the run has not come so far."""
    known = {value for row in evaluations if not math.isnan(value := number(row.get(epoch_key)))}
    first = set(sorted(known)[:length])
    kept = [row for row in evaluations if number(row.get(epoch_key)) in first]
    return kept, max(row[step] for row in kept) if len(first) == length else math.inf


def _evaluation_metrics(report: Report) -> list[Metric]:
    curves = (curve.metric for curve in report.curves)
    return list(dict.fromkeys([*curves, *report.columns, *report.drawn]))


def _table_keys(report: Report) -> list[str]:
    """Keys of evaluation rows that a table shows."""
    fallbacks = [score.fallback for score in report.columns if score.fallback]
    return [*(score.key for score in report.columns), *fallbacks]


def _newest(evaluations: Sequence[LogRow], keys: Iterable[str]) -> dict[str, float]:
    found = {}
    for key in keys:
        values = [value for row in evaluations if not math.isnan(value := number(row.get(key)))]
        if values:
            found[key] = values[-1]
    return found


def _scores(
    report: Report, evaluations: Sequence[LogRow], last: int
) -> tuple[dict[str, float], bool]:
    """The run's value per score, empty where there is none; and whether the fallback stands in.

    The mean of the last evaluations, or the newest row that has all scores.
    """
    columns = _columns(evaluations, _table_keys(report))
    known = {key: bool(np.isfinite(values).any()) for key, values in columns.items()}
    stands_in = False
    found: dict[str, float] = {}
    if report.mean_of_last:
        for score in report.scores:
            instead = not known[score.key] and known.get(score.fallback, False)
            stands_in |= instead
            values = columns[score.fallback if instead else score.key][-last:]
            values = values[np.isfinite(values)]
            if len(values):
                found[score.key] = float(values.mean())
    else:
        keys = [score.key for score in report.scores]
        complete = np.isfinite([columns[key] for key in keys]).all(axis=0)
        if complete.any():
            newest = np.flatnonzero(complete)[-1]
            found = {key: float(columns[key][newest]) for key in keys}
    return found, stands_in


def _signatures(evaluations: Sequence[LogRow]) -> dict[str, str]:
    texts = {
        key: printable(value)
        for row in evaluations
        for key, value in row.items()
        if "signature" in key and isinstance(value, str)
    }
    return dict(sorted(texts.items()))


def _columns(found: Sequence[LogRow], keys: Sequence[str]) -> Columns:
    """[rows] per key, nan where a row has no finite number under it."""
    return {key: np.array([number(row.get(key)) for row in found], dtype=float) for key in keys}


def _status(run: Run) -> str:
    if not run.path.is_dir():
        return "missing"
    done = run.done()
    if done is not None and done.get("status") not in ("finished", "diverged"):
        raise UserError(
            f"{run.path / 'done.json'} is damaged: its status is {done.get('status')!r}; "
            "allowed are finished and diverged"
        )
    return run.status()
