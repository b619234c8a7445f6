"""Runs as two tables for other programs: a line per run, and a line per logged row."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from suite.results.formats.columns import WRITERS, Kinds
from suite.results.records import read
from suite.results.rows import LogRow, rows
from suite.results.selection import LeaveOut, RunDescription
from suite.runs.log import EVALUATIONS, LAYER, METRICS
from workload.errors import UserError
from workload.files import write_whole

RUNS, ROWS = "runs", "rows"
KINDS = {METRICS: "metrics", EVALUATIONS: "evaluation"}
HEAD = ("run", "workload", "status", "scheme", "weight_decay", "seed")

Format = Literal["csv", "parquet"]


def write_tables(
    described: Sequence[RunDescription],
    out: Path,
    leave_out: LeaveOut,
    *,
    to: Format,
    last: int,
    layers: bool,
) -> list[Path]:
    """Write the tables of runs and of rows into a folder; returns their paths.

    The table of runs has a line per run: HEAD, every key of the recipe, the scores as a report
    counts them, and the newest number of each other key that `table` shows. The table of rows has a
    line per row that such a run has logged: HEAD's `run`, its kind (`metrics` or `evaluation`) and
    every key. A field is empty where there is no value. Floats are written so that they read back
    equal.

    Args:
        described: the runs.
        out: the folder, made where it is missing.
        leave_out: told what cannot be read.
        to: the files' format; `parquet` needs pyarrow.
        last: newest evaluations whose mean is a score, where a score is a mean.
        layers: whether rows have the figures of each layer; there may be a thousand.

    Raises:
        UserError: no run can be read.
    """
    write = WRITERS[to]()
    out.mkdir(parents=True, exist_ok=True)
    lines = list(_runs(described, leave_out, last))
    if not lines:
        raise UserError("nothing to write: no run could be read")
    of_runs = Kinds()
    for line in lines:
        of_runs.add(line)
    readable = {line["run"] for line in lines}
    described = [run for run in described if str(run.run.path) in readable]
    of_rows = Kinds({"run": "text", "kind": "text"})
    for _, _, row in _rows(described, leave_out):
        of_rows.add({k: v for k, v in row.items() if layers or LAYER not in k})
    found = (
        {"run": str(run.run.path), "kind": kind, **row}
        for run, kind, row in _rows(described, lambda reason: None)
    )
    paths = [out / f"{name}.{to}" for name in (RUNS, ROWS)]
    write_whole(paths[0], lambda stream: write(stream, of_runs.columns, iter(lines)))
    write_whole(paths[1], lambda stream: write(stream, of_rows.columns, found))
    return paths


def _runs(
    described: Sequence[RunDescription], leave_out: LeaveOut, last: int
) -> Iterator[dict[str, Any]]:
    for record in read(described, last, leave_out, points=1, whole=True):
        member = record.member
        names = (str(record.path), record.workload, record.status)
        own = (*names, member.scheme, member.weight_decay, member.seed)
        yield {
            **dict(zip(HEAD, own, strict=True)),
            **record.values,
            **record.newest,
            **record.scores,
        }


def _rows(
    described: Sequence[RunDescription], leave_out: LeaveOut
) -> Iterator[tuple[RunDescription, str, LogRow]]:
    for run in described:
        for file, kind in KINDS.items():
            for row in rows(run.run.path / file, run.workload.STEP_KEY, leave_out):
                yield run, kind, row
