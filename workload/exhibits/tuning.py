"""What tuning lambda costs: the score after so many trials, and how wide good lambdas lie."""

import math
from collections.abc import Mapping, Sequence
from statistics import mean, stdev

from shared_optim.metric import Metric
from shared_optim.schemes import BASELINE
from workload.exhibits.cells import NOTHING, value
from workload.exhibits.document import Cell, Table, Value, cell
from workload.exhibits.grid import RecordGrid, Row

LEAST_LAMBDAS, LEAST_SEEDS = 3, 3
TRIALS = (1, 2, 3, 5)
"""Of the columns, as far as there are lambdas."""
SLACK = 0.1
"""Of the distance from the task's worst mean to its best: what still counts as good."""
NEAR = 0.01
"""Of the task's best mean: what still counts as the same, where no other number is given."""

Scores = Mapping[float, float]
"""A seed's score by lambda."""


def tuning_table(
    grid: RecordGrid,
    metric: Metric,
    name: str,
    *,
    decimals: int | None,
    near: float | None = None,
) -> Table | None:
    """A line per task and scheme with three lambdas or more; None without one.

    Args:
        grid: the runs.
        metric: one of the report's scores.
        name: of the files.
        decimals: digits after the point of scores; None for one below a hundred, then none.
        near: how much worse a score may be and still count as the best; 1 % of the task's best mean
            where it is None.
    """
    rows: list[tuple[Cell, ...]] = []
    data: list[tuple[Value, ...]] = []
    for task in grid.tasks:
        means = _means(grid, task, metric.key)
        slack = SLACK * (max(means) - min(means)) if means else 0.0
        best_mean = (min if metric.better == "lower" else max)(means, default=0.0)
        slacks = (NEAR * abs(best_mean) if near is None else near, slack)
        for (scheme, extras), seeds in _by_scheme(grid, task, metric.key).items():
            count = len(next(iter(seeds)))
            best = {
                k: mean(expected_best(list(own.values()), k, metric.better) for own in seeds)
                for k in TRIALS
                if k <= count
            }
            texts = [value(best.get(k), decimals) for k in TRIALS]
            decades: list[Value] = []
            for allowed in slacks:
                widths = [good_decades(own, allowed, metric.better) for own in seeds]
                width, ends = mean(widths), _interval(widths)
                inside = f" [{value(ends[0], 1)}, {value(ends[1], 1)}]" if ends else ""
                texts.append(value(width, 1) + inside)
                decades += [width, *(ends or (None, None))]
            lambdas = f"{count}, {_decades(next(iter(seeds))):.1f} decades"
            head = (task, scheme, *extras, lambdas, str(len(seeds)))
            rows.append(tuple(map(cell, (*head, *texts))))
            fixed: tuple[Value, ...] = (task, scheme, *extras, count, len(seeds))
            data.append((*fixed, *(best.get(k) for k in TRIALS), *decades))
    if not rows:
        return None
    what = grid.report.task
    same = f"{NEAR:.0%} of the {what}'s best mean" if near is None else f"{near:g}"
    return Table(
        name=name,
        title="What tuning lambda costs",
        caption=(
            "After k trials: the best score to be expected of k different lambdas drawn at random "
            "from those of the scheme, mean over seeds. Decades as the best: how far on the "
            "logarithmic axis those lambdas reach around the best one whose score is worse by no "
            f"more than {same}; good decades: by no more than {SLACK:.0%} of the distance from the "
            f"{what}'s worst mean to its best. Both with straight "
            "lines between the lambdas, mean over seeds; in brackets their 95 % interval by "
            "Student's t over seeds, none below three. It ends where the lambdas end, so that "
            f"schemes of fewer decades can have no more. Seeds that lack a lambda are left out; "
            f"{NOTHING}: no more lambdas."
        ),
        head=(
            *(what, "scheme", *grid.keys, "lambdas", "seeds"),
            *(f"after {k}" for k in TRIALS),
            *("decades as the best [95 %]", "good decades [95 %]"),
        ),
        rows=tuple(rows),
        data_head=(
            *(what, "scheme", *grid.keys, "lambdas", "seeds"),
            *(f"best_after_{k}" for k in TRIALS),
            *("best_decades", "best_decades_low", "best_decades_high"),
            *("good_decades", "good_decades_low", "good_decades_high"),
        ),
        data=tuple(data),
    )


def expected_best(scores: Sequence[float], trials: int, better: str) -> float:
    """Mean of the best of `trials` scores over all ways to choose them.

    In rising order the i-th of n, from 1, is the highest of k in C(i - 1, k - 1) of C(n, k) ways.
    """
    ordered = sorted(scores, reverse=better == "lower")
    ways = [math.comb(place, trials - 1) for place in range(len(ordered))]
    return sum(w * score for w, score in zip(ways, ordered, strict=True)) / sum(ways)


def good_decades(scores: Scores, slack: float, better: str) -> float:
    """Decades of lambda around the best one whose score is worse than its by no more than `slack`,
    with straight lines between the points over log10 lambda."""
    sign = -1 if better == "lower" else 1
    points = [(math.log10(decay), sign * score) for decay, score in sorted(scores.items())]
    best = max(range(len(points)), key=lambda place: points[place][1])
    level = points[best][1] - slack

    def reach(direction: int) -> float:
        at = points[best]
        place = best + direction
        while 0 <= place < len(points):
            following = points[place]
            if following[1] < level:
                share = (at[1] - level) / (at[1] - following[1])
                return abs(at[0] + share * (following[0] - at[0]) - points[best][0])
            at, place = following, place + direction
        return abs(at[0] - points[best][0])

    return reach(-1) + reach(1)


def _by_scheme(
    grid: RecordGrid, task: str, key: str
) -> dict[tuple[str, tuple[str, ...]], list[Scores]]:
    """The scores of each seed that has all lambdas of a scheme, by scheme and what else differs."""
    rows: dict[tuple[str, tuple[str, ...]], list[Row]] = {}
    for row in grid.rows_of(task):
        if row.scheme != BASELINE:
            rows.setdefault((row.scheme, row.extras), []).append(row)
    found = {}
    for place, own in rows.items():
        by_seed: dict[int, dict[float, float]] = {}
        for row in own:
            for run in grid.at(row, task):
                if key in run.scores:
                    by_seed.setdefault(run.member.seed, {})[row.weight_decay] = run.scores[key]
        whole: list[Scores] = [one for one in by_seed.values() if len(one) == len(own)]
        if len(own) >= LEAST_LAMBDAS and whole:
            found[place] = whole
    return found


def _means(grid: RecordGrid, task: str, key: str) -> list[float]:
    means = (grid.summary(row, task, key).mean for row in grid.rows_of(task))
    return [each for each in means if each is not None]


def _decades(scores: Scores) -> float:
    return math.log10(max(scores) / min(scores))


def _interval(widths: Sequence[float]) -> tuple[float, float] | None:
    """Student's, of a mean; None below three seeds, or where they do not differ."""
    if len(widths) < LEAST_SEEDS or not (deviation := stdev(widths)):
        return None
    from scipy.stats import t

    half = float(t.ppf(0.975, len(widths) - 1)) * deviation / len(widths) ** 0.5
    return max(0.0, mean(widths) - half), mean(widths) + half
