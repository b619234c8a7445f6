"""Runs as two tables for other programs: a line per run, and a line per logged row."""

import csv
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

from suite.results.records import read
from suite.results.rows import LogRow, rows
from suite.results.selection import LeaveOut, RunDescription
from suite.runs.log import EVALUATIONS, LAYER, METRICS
from workload.errors import UserError
from workload.files import write_whole

RUNS, ROWS = "runs.csv", "rows.csv"
KINDS = {METRICS: "metrics", EVALUATIONS: "evaluation"}
HEAD = ("run", "workload", "status", "scheme", "weight_decay", "seed")


def write_tables(
    described: Sequence[RunDescription],
    out: Path,
    leave_out: LeaveOut,
    *,
    last: int,
    layers: bool,
) -> list[Path]:
    """Write runs.csv and rows.csv into a folder; returns their paths.

    runs.csv has a line per run: HEAD, every key of the recipe, the scores as a report counts them,
    and the newest number of each other key that `table` shows. rows.csv has a line per row that a
    run has logged: HEAD's `run`, its kind (`metrics` or `evaluation`) and every key. A field is
    empty where there is no value. Floats are written so that they read back equal.

    Args:
        described: the runs.
        out: the folder, made where it is missing.
        leave_out: told what cannot be read.
        last: newest evaluations whose mean is a score, where a score is a mean.
        layers: whether rows have the figures of each layer; there may be a thousand.

    Raises:
        UserError: no run can be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    lines = list(_runs(described, leave_out, last))
    if not lines:
        raise UserError("nothing to export: no run could be read")
    keys = dict.fromkeys(key for line in lines for key in line)
    write_whole(out / RUNS, lambda stream: _write(stream, list(keys), iter(lines)))
    of_rows = dict.fromkeys(
        key
        for _, _, row in _rows(described, leave_out)
        for key in row
        if layers or not key.startswith(LAYER)
    )
    head = ["run", "kind", *of_rows]
    found = (
        {"run": str(run.run.path), "kind": kind, **row}
        for run, kind, row in _rows(described, lambda reason: None)
    )
    write_whole(out / ROWS, lambda stream: _write(stream, head, found))
    return [out / RUNS, out / ROWS]


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


def _write(stream: BinaryIO, head: Sequence[str], lines: Iterator[dict[str, Any]]) -> None:
    """RFC 4180 with line feeds."""
    text = TextIOWrapper(stream, "utf-8", errors="backslashreplace", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([line.get(key) for key in head] for line in lines)
    text.detach()
