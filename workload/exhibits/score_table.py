"""Scores by scheme, lambda and task; where others have published theirs, those beside ours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared_optim.metric import Metric
from workload.exhibits.cells import (
    COUNTS,
    digits,
    mean_and_std,
    row_cells,
    row_head,
    value,
)
from workload.exhibits.document import Cell, Table, Value, cell
from workload.exhibits.grid import RecordGrid, Row, Summary


@dataclass(frozen=True)
class PublishedScores:
    """Numbers of a paper, to be put beside ours.

    Attributes:
        score: the paper's number for the same row and task; None where it has none.
        is_misprint: whether it prints what cannot be, by task and number.
        source: where the numbers stand, and of how many seeds they are.
    """

    score: Callable[[RecordGrid, Row, str], float | None]
    is_misprint: Callable[[str, float], bool]
    source: str

    def believable(self, grid: RecordGrid, row: Row, task: str) -> float | None:
        """The paper's number, but for a misprint."""
        score = self.score(grid, row, task)
        return None if score is None or self.is_misprint(task, score) else score


def score_table(
    grid: RecordGrid,
    metric: Metric,
    *,
    name: str,
    title: str,
    caption: str,
    decimals: int | None,
    published: PublishedScores | None = None,
    below: Sequence[tuple[str, Sequence[str | None]]] = (),
) -> Table:
    """A line per scheme and lambda, a column per task.

    Args:
        grid: the runs.
        metric: one of the report's scores.
        name: of the files.
        title: of the table.
        caption: whole.
        decimals: digits after the point; None for one below a hundred and none from there on.
        published: whose numbers stand beside ours.
        below: further lines, a name and a text per task each.
    """
    best = {task: best_rows(grid, grid.rows, task, metric, decimals) for task in grid.tasks}
    rows, data = [], []
    for row in grid.rows:
        entries = [
            _Entry(
                task,
                bool(grid.at(row, task)),
                grid.summary(row, task, metric.key),
                row in best[task],
                published.score(grid, row, task) if published else None,
                published.believable(grid, row, task) if published else None,
                _mark(grid, row, task, metric),
            )
            for task in grid.tasks
        ]
        rows.append((*row_cells(row), *(entry.cell(decimals) for entry in entries)))
        for entry in entries:
            if entry.is_planned:
                beside = (entry.published, entry.difference) if published else ()
                fixed: tuple[Value, ...] = (row.scheme, row.weight_decay, *row.extras, entry.task)
                data.append((*fixed, *entry.values(), *beside))
    blank = [cell("")] * (1 + len(grid.keys))
    rows += [(cell(name), *blank, *(cell(text or "-") for text in texts)) for name, texts in below]
    task = grid.report.task
    return Table(
        name=name,
        title=title,
        caption=caption,
        head=(*row_head(grid), *grid.tasks),
        rows=tuple(rows),
        data_head=(
            *("scheme", "lambda", *grid.keys, task, "mean", "standard_deviation"),
            *("seeds_finished", "seeds_present", "seeds_diverged", "seeds_planned"),
            f"best_of_{task}",
            *(("published", "difference") if published else ()),
        ),
        data=tuple(data),
    )


def plain_score_table(grid: RecordGrid, metric: Metric, name: str) -> Table:
    """The table of a workload that says no more of a score than its declaration."""
    report = grid.report
    score = f"mean of the last {grid.last} evaluations" if report.mean_of_last else "newest value"
    best = {"higher": "highest", "lower": "lowest", "": ""}[metric.better]
    bold = f" {bold_note(best, report.task)}" if best else ""
    unit = f", {metric.unit}" if metric.unit not in ("", "%", "ln") else ""
    return score_table(
        grid,
        metric,
        name=name,
        title=f"{metric.label[0].upper()}{metric.label[1:]} by scheme and lambda",
        caption=(
            f"{metric.key}{unit}: {score} of each run. In a cell: mean over seeds and sample "
            f"standard deviation (n - 1), seeds.{bold} {COUNTS}"
        ),
        decimals=metric.decimals,
    )


def bold_note(best: str, task: str) -> str:
    """What bold means; `best` is `highest` or `lowest`."""
    return (
        f"Bold: the {best} mean of a {task} among cells that are complete, where at most half of "
        "them have it."
    )


def best_rows(
    grid: RecordGrid, rows: Sequence[Row], task: str, metric: Metric, decimals: int | None
) -> set[Row]:
    """The rows with the best mean as printed, among those whose seeds have all finished; none
    where there is nothing to compare, or where more than half of them are best."""
    summaries = {row: grid.summary(row, task, metric.key) for row in rows}
    printed = {
        row: round(summary.mean, digits(summary.mean) if decimals is None else decimals)
        for row, summary in summaries.items()
        if summary.complete and summary.mean is not None
    }
    if not printed or not metric.better:
        return set()
    top = max(printed.values()) if metric.better == "higher" else min(printed.values())
    best = {row for row, mean in printed.items() if mean == top}
    return best if 2 * len(best) <= len(printed) else set()


@dataclass(frozen=True)
class _Entry:
    """A cell of the table: whether any of its runs is known of, ours, whether it is the best, and
    the paper's number with and without its misprints."""

    task: str
    is_planned: bool
    summary: Summary
    is_best: bool
    published: float | None
    believable: float | None
    mark: str

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's; None where there is no such thing."""
        if self.summary.mean is None or self.believable is None:
            return None
        return self.summary.mean - self.believable

    def cell(self, decimals: int | None) -> Cell:
        summary = self.summary
        if not self.is_planned:
            return cell("-")
        lines = [mean_and_std(summary.mean, summary.deviation, decimals) + self.mark]
        lines.append(f"seeds {summary.seeds}")
        if self.published is not None:
            beside = ""
            if self.believable is None:
                beside = " (misprint)"
            elif self.difference is not None:
                rounded = digits(summary.mean or 0.0) if decimals is None else decimals
                beside = f" ({value(self.difference, rounded, sign=True)})"
            lines.append(f"paper {value(self.published, 0)}{beside}")
        return cell(*lines, bold=self.is_best)

    def values(self) -> tuple[Value, ...]:
        summary = self.summary
        count = len(summary.scores)
        moments = summary.mean, summary.deviation
        seeds = count, summary.present, summary.diverged, summary.planned
        return (*moments, *seeds, int(self.is_best))


def _mark(grid: RecordGrid, row: Row, task: str, metric: Metric) -> str:
    """Says of a cell that its scores are those of the fallback's key."""
    stands_in = any(run.stands_in for run in grid.at(row, task))
    return f" ({metric.fallback.partition('/')[0]})" if stands_in else ""
