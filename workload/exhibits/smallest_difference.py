"""The smallest difference between two rows that the seeds at hand could show."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from shared_optim.metric import Metric
from workload.exhibits.cells import NOTHING, percent, value
from workload.exhibits.document import Cell, Table, Value, cell
from workload.exhibits.grid import RecordGrid
from workload.exhibits.power import FORMULA, common_deviation, smallest_effect


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
        spread = _spread(grid, task, metric.key)
        others = [each.relative(task) for each in known]
        rows.append(tuple(map(cell, [task, *_texts(spread, decimals), *map(percent, others)])))
        data.append((task, *_values(spread), *others))
    what = grid.report.task
    beside = "".join(f" Beside it: {each.note}" for each in known)
    return Table(
        name=name,
        title="The smallest difference that would show",
        caption=(
            f"For two rows with n seeds each: {FORMULA}. Pooled standard deviation: the one that "
            "the rows with two finished seeds or more have in common, from the median of their "
            "variances, which a single row cannot move; widest row: the largest of any row. n is "
            "their smallest number of seeds; per cent are of the median of their means. A "
            "difference below this is not evidence of none. Where no two seeds differ there is "
            f"nothing to go by: {NOTHING}.{beside}"
        ),
        head=(
            *(what, "n", "pooled standard deviation", "widest row"),
            *("smallest difference", "of the mean"),
            *(each.head for each in known),
        ),
        rows=tuple(rows),
        data_head=(
            *(what, "n", "pooled_standard_deviation", "widest_standard_deviation", "mean"),
            *("smallest_difference", "smallest_difference_relative"),
            *(each.data_head for each in known),
        ),
        data=tuple(data),
    )


@dataclass(frozen=True)
class _Spread:
    """Of the rows of a task: smallest number of seeds, their spread, the widest one, the mean."""

    n: int
    pooled: float
    widest: float
    widest_row: str
    mean: float

    @property
    def smallest(self) -> float | None:
        """The smallest difference that would show; None where no two seeds differ."""
        return smallest_effect(self.n) * self.pooled if self.pooled else None

    @property
    def relative(self) -> float | None:
        return self.smallest / abs(self.mean) if self.smallest and self.mean else None


def _spread(grid: RecordGrid, task: str, key: str) -> _Spread | None:
    """None where no row has two finished seeds."""
    found = {row: grid.summary(row, task, key) for row in grid.rows}
    several = {row: summary for row, summary in found.items() if len(summary.scores) > 1}
    if not several:
        return None
    counts = [len(summary.scores) for summary in several.values()]
    deviations = [summary.deviation or 0.0 for summary in several.values()]
    widest = max(several, key=lambda row: several[row].deviation or 0.0)
    return _Spread(
        n=min(counts),
        pooled=common_deviation(deviations, counts),
        widest=max(deviations),
        widest_row=widest.label(grid.keys),
        mean=median(summary.mean or 0.0 for summary in several.values()),
    )


def _values(spread: _Spread | None) -> tuple[Value, ...]:
    if spread is None:
        return (None,) * 6
    moments = spread.pooled, spread.widest, spread.mean
    return (spread.n, *moments, spread.smallest, spread.relative)


def _texts(spread: _Spread | None, decimals: int | None) -> list[str]:
    if spread is None:
        return [NOTHING] * 5
    return [
        str(spread.n),
        value(spread.pooled, decimals),
        f"{value(spread.widest, decimals)}, {spread.widest_row}",
        value(spread.smallest, decimals),
        percent(spread.relative),
    ]
