"""The smallest difference between two rows that the seeds at hand could show."""

from suite.report import published
from suite.report.document import Cell, Table, Value, cell
from suite.report.grid import Grid
from suite.report.power import FORMULA, pooled_deviation, smallest_effect
from suite.report.wording import NOTHING, percent, value

PAPER_SEEDS = 3


def difference_table(grid: Grid, key: str, decimals: int | None = None) -> Table:
    """A line per game or corpus: pooled spread over seeds, and what it hides.

    Args:
        grid: the runs.
        key: of the score, in the workload's SCORES.
        decimals: of scores.
    """
    rows: list[tuple[Cell, ...]] = []
    data: list[tuple[Value, ...]] = []
    reference = published.dopamine_tail()
    known = any((published.NEWEST, subject) in reference for subject in grid.subjects)
    for subject in grid.subjects:
        ours = _ours(grid, subject, key)
        line = [subject, *_texts(ours, decimals)]
        values: list[Value] = [subject, *ours]
        if known:
            spread = reference.get((published.NEWEST, subject))
            theirs = None
            if spread is not None:
                theirs = smallest_effect(PAPER_SEEDS) * spread.deviation / spread.mean
            line.append(percent(theirs))
            values.append(theirs)
        rows.append(tuple(map(cell, line)))
        data.append(tuple(values))
    what = "corpus" if key.startswith("test/") else "game"
    beside = (
        f" Beside it: what {PAPER_SEEDS} seeds on each side would show with the spread of "
        "Dopamine's DQN (2024, 5 runs, last 5 iterations)."
        if known
        else ""
    )
    return Table(
        name="smallest_difference_" + ("corpora" if what == "corpus" else "games"),
        title="The smallest difference that would show",
        caption=(
            f"For two rows with n seeds each: {FORMULA}. The standard deviation is pooled over "
            "the rows with two finished seeds or more; n is their smallest number of seeds; per "
            "cent are of the mean over these rows. A difference below this is not evidence of "
            f"none. Where no two seeds differ there is nothing to go by: {NOTHING}.{beside}"
        ),
        head=(
            *(what, "n", "standard deviation", "smallest difference", "of the mean"),
            *(["from Dopamine's spread"] if known else []),
        ),
        rows=tuple(rows),
        data_head=(
            *(what, "n", "pooled_standard_deviation", "mean"),
            *("smallest_difference", "smallest_difference_relative"),
            *(["from_dopamine_spread_relative"] if known else []),
        ),
        data=tuple(data),
    )


def _ours(
    grid: Grid, subject: str, key: str
) -> tuple[int | None, float | None, float | None, float | None, float | None]:
    """n, pooled deviation, mean, smallest difference, the same relative to the mean."""
    summaries = [grid.summary(row, subject, key) for row in grid.rows]
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
