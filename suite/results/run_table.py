"""One line per run, and what the paper's claim looks like in them."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from shared_optim.figures import DROWNED, FIGURES, MEDIAN
from shared_optim.metric import Metric
from shared_optim.schemes import SCHEMES, units_note
from suite.registry import load
from suite.results.records import by_workload, length_notes, read_runs, remark_notes
from suite.runs.directory import Run
from workload.exhibits.grid import SCHEDULE, Row
from workload.exhibits.labels import differing, printable, values
from workload.exhibits.record import Record

SHOWS_FROM = 0.1  # drowned fraction below which the effect is called absent
NEARLY_LAMBDA = 0.05  # distance of ln(median |m/w|) from ln(lambda) that counts as equal


def table(runs: Sequence[Run]) -> str:
    """A table per workload, each with the sentence that says what to look at.

    Raises:
        UserError: none can be read.
    """
    return "\n\n".join(map(_table, by_workload(read_runs(runs, points=1))))


def _table(records: Sequence[Record]) -> str:
    workload = load(records[0].workload)
    keys = differing([record.values for record in records], {workload.TASK_KEY})
    records = sorted(records, key=lambda record: _place(record, keys))
    columns = workload.report.columns
    head = [workload.TASK_KEY, "scheme", "lambda", *keys, "seed", "status"]
    beside = {record.task: workload.report.beside(record.task) for record in records}
    others = list(dict.fromkeys(name for figures in beside.values() for name in figures))
    head += [*(metric.label for metric in columns), *others, *(figure.label for figure in FIGURES)]
    lines = [head]
    for record in records:
        published = [beside[record.task].get(name) for name in others]
        lines.append(_cells(record, keys, columns, published))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    rows = ["  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
    rows.insert(1, "  ".join("-" * width for width in widths))
    units = units_note(record.member.scheme for record in records)
    notes = [look_at(records), *([units] if units else [])]
    notes += [*length_notes(records, workload.LENGTH_KEY), *remark_notes(records)]
    return "\n".join([*rows, "", *(textwrap.fill(note, 100) for note in notes)])


def _place(record: Record, keys: Sequence[str]) -> tuple[Any, ...]:
    """Tasks by name, in each the order of a report's rows, then seeds."""
    member = record.member
    extras = tuple(values(record.values, keys))
    row = Row(member.scheme, float(member.weight_decay), record.decay, extras)
    return record.task, row.sort_key, member.seed


def look_at(records: Sequence[Record]) -> str:
    """What the paper says of L2, as measured: how much of the gradient the decay drowns in m."""
    column = "In parentheses: what would drown if the decay went through m (none: at lambda 1e-3)."
    measured = [
        (record.newest[DROWNED.key], record)
        for record in records
        if SCHEMES[record.member.scheme].in_gradient
        and record.values.get(SCHEDULE, "always") == "always"
        and DROWNED.key in record.newest
    ]
    if not measured:
        return f"drowned: the share of weights whose decay outweighs their gradient in m. {column}"
    share, record = max(measured, key=lambda pair: pair[0])
    weight_decay = record.member.weight_decay
    fact = (
        f"under {record.member.scheme} at lambda {weight_decay:g} the decay outweighs the "
        f"objective's gradient inside m for {share:.1%} of the weights"
    )
    log_median = record.newest.get(MEDIAN.key)
    if log_median is not None and abs(log_median - math.log(weight_decay)) < NEARLY_LAMBDA:
        fact += ", and the median |m/w| is lambda itself: there m is the decay and little else"
    if share < SHOWS_FROM:
        return f"Drowning does not show at this length: {fact}. {column}"
    return f"Look at the column drowned: {fact}. {column}"


def _cells(
    record: Record,
    keys: Sequence[str],
    columns: Sequence[Metric],
    published: Sequence[float | None],
) -> list[str]:
    member = record.member
    return [
        record.task,
        member.scheme,
        f"{member.weight_decay:g}" if member.weight_decay else "-",
        *map(printable, values(record.values, keys)),
        str(member.seed),
        record.status,
        *(_score(record, metric) for metric in columns),
        *("-" if number is None else f"{number:g}" for number in published),
        *(_figure(record, figure) for figure in FIGURES),
    ]


def _score(record: Record, metric: Metric) -> str:
    """The newest evaluation; where there is none, what stands in for it, marked as such."""
    for key, mark in ((metric.key, ""), (metric.fallback, f" {metric.fallback.partition('/')[0]}")):
        if key in record.newest:
            return metric.text(record.newest[key]) + mark
    return "-"


def _figure(record: Record, figure: Metric) -> str:
    """The optimizer's; in parentheses what would drown, where the decay is not inside m."""
    if figure.key not in record.newest:
        return "-"
    text = figure.text(record.newest[figure.key])
    hypothetical = figure is DROWNED and not SCHEMES[record.member.scheme].in_gradient
    return f"({text})" if hypothetical else text
