"""The smallest difference between two rows that the seeds at hand could show."""

from collections.abc import Callable
from dataclasses import dataclass

from shared_optim.metric import Metric
from workload.exhibits.cells import NOTHING, percent, value
from workload.exhibits.document import Cell, Table, Value, cell
from workload.exhibits.grid import RecordGrid
from workload.exhibits.power import FORMULA, pooled_deviation, smallest_effect


@dataclass(frozen=True)
class PublishedSpread:
    """What the spread of others' seeds would hide.

    Attributes:
        relative: smallest difference over the mean, by task; None where nothing is known.
        head, data_head: of its column, in the table and in the CSV.
        note: the sentence in the caption.
    """

    relative: Callable[[str], float | None]
    head: str
    data_head: str
    note: str


def smallest_difference(
    grid: RecordGrid,
    metric: Metric,
    name: str,
    *,
    decimals: int | None,
    published: PublishedSpread | None = None,
) -> Table:
    """A line per task: pooled spread over seeds, and what it hides.

    Args:
        grid: the runs.
        metric: one of the report's scores.
        name: of the files.
        decimals: digits after the point of scores; None for one below a hundred, then none.
        published: whose spread stands beside ours, where it is known for one of the tasks.
    """
    rows: list[tuple[Cell, ...]] = []
    data: list[tuple[Value, ...]] = []
    known = [published] if published and any(map(published.relative, grid.tasks)) else []
    for task in grid.tasks:
        ours = _ours(grid, task, metric.key)
        others = [each.relative(task) for each in known]
        rows.append(tuple(map(cell, [task, *_texts(ours, decimals), *map(percent, others)])))
        data.append((task, *ours, *others))
    what = grid.report.task
    beside = "".join(f" Beside it: {each.note}" for each in known)
    return Table(
        name=name,
        title="The smallest difference that would show",
        caption=(
            f"For two rows with n seeds each: {FORMULA}. The standard deviation is pooled over "
            "the rows with two finished seeds or more; n is their smallest number of seeds; per "
            "cent are of the mean over these rows. A difference below this is not evidence of "
            f"none. Where no two seeds differ there is nothing to go by: {NOTHING}.{beside}"
        ),
        head=(
            *(what, "n", "standard deviation", "smallest difference", "of the mean"),
            *(each.head for each in known),
        ),
        rows=tuple(rows),
        data_head=(
            *(what, "n", "pooled_standard_deviation", "mean"),
            *("smallest_difference", "smallest_difference_relative"),
            *(each.data_head for each in known),
        ),
        data=tuple(data),
    )


def _ours(
    grid: RecordGrid, task: str, key: str
) -> tuple[int | None, float | None, float | None, float | None, float | None]:
    """n, pooled deviation, mean, smallest difference, the same relative to the mean."""
    summaries = [grid.summary(row, task, key) for row in grid.rows]
    several = [summary for summary in summaries if len(summary.scores) > 1]
    if not several:
        return None, None, None, None, None
    counts = [len(summary.scores) for summary in several]
    deviation = pooled_deviation([s.deviation or 0.0 for s in several], counts)
    assert deviation is not None
    mean = sum(s.mean or 0.0 for s in several) / len(several)
    if not deviation:
        return min(counts), deviation, mean, None, None
    smallest = smallest_effect(min(counts)) * deviation
    return min(counts), deviation, mean, smallest, smallest / abs(mean) if mean else None


def _texts(
    ours: tuple[int | None, float | None, float | None, float | None, float | None],
    decimals: int | None,
) -> list[str]:
    count, deviation, _, smallest, relative = ours
    seeds = NOTHING if count is None else str(count)
    return [seeds, value(deviation, decimals), value(smallest, decimals), percent(relative)]
