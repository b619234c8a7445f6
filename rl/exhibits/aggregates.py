"""Aggregates over games: interquartile mean, probability of improvement, performance profile."""

from dataclasses import dataclass

import numpy as np

from rl.exhibits import published
from rl.exhibits.statistics import (
    GameScores,
    interquartile_mean,
    interquartile_mean_interval,
    performance_profile,
    probability_of_improvement,
    probability_of_improvement_interval,
)
from rl.metrics import RETURN
from workload.exhibits.cells import NOTHING, listed, row_cells, row_head, value
from workload.exhibits.document import Cell, Table, Value, cell
from workload.exhibits.grid import RecordGrid, Row
from workload.exhibits.series import Values

THRESHOLDS = np.linspace(0, 2, 9)
SOURCE = "Agarwal et al., NeurIPS 2021"


@dataclass(frozen=True)
class Normalised:
    """Human-normalised scores of the rows that have any, over the games that all of them have.

    Attributes:
        games: those games, by name.
        scores: per row one array per game.
    """

    games: tuple[str, ...]
    scores: dict[Row, GameScores]

    @classmethod
    def of(cls, grid: RecordGrid) -> "Normalised":
        """(score - random) / (human - random); games without published scores stay out."""
        known = published.random_and_human()
        scored = {
            (row, game): np.array(scores)
            for row in grid.rows
            for game in grid.tasks
            if game in known and (scores := grid.summary(row, game, RETURN.key).scores)
        }
        rows = [row for row in grid.rows if any((row, game) in scored for game in grid.tasks)]
        games = tuple(
            game for game in grid.tasks if rows and all((row, game) in scored for row in rows)
        )
        if not games:
            return cls((), {})
        return cls(
            games,
            {row: [_normalise(scored[row, game], *known[game]) for game in games] for row in rows},
        )


def _normalise(scores: Values, random: float, human: float) -> Values:
    return (scores - random) / (human - random)


def over_games(normalised: Normalised) -> str:
    """Which games, and which score."""
    return (
        "Scores are human-normalised, (score - random) / (human - random), over "
        f"{listed(normalised.games)}: the games in which every row with a score has one."
    )


def aggregate_table(grid: RecordGrid, normalised: Normalised) -> Table | None:
    """A line per scheme and lambda; None without a game to go by."""
    if not normalised.games:
        return None
    rows: list[tuple[Cell, ...]] = []
    data: list[tuple[Value, ...]] = []
    for row, scores in normalised.scores.items():
        mean, interval = interquartile_mean(scores), interquartile_mean_interval(scores)
        count = sum(map(len, scores))
        partner = grid.partner(row)
        better: tuple[float, float, float] | None = None
        if partner is not None and partner in normalised.scores:
            other = normalised.scores[partner]
            low, high = probability_of_improvement_interval(scores, other)
            better = probability_of_improvement(scores, other), low, high
        rows.append(
            (
                *row_cells(row),
                cell(str(count)),
                cell(_with_interval(mean, *interval, decimals=3)),
                cell(_with_interval(*better, decimals=2) if better else NOTHING),
            )
        )
        improvement: tuple[Value, ...] = better or (None, None, None)
        fixed: tuple[Value, ...] = (row.scheme, row.weight_decay, *row.extras, count)
        data.append((*fixed, mean, *interval, *improvement))
    return Table(
        name="aggregates",
        title="Aggregates over games",
        caption=(
            f"{over_games(normalised)} IQM: mean of the middle half of all runs. P(better than "
            "none): probability that a run beats a run of none on the same game, ties counting "
            "half, mean over games. In brackets: 95 % intervals from a percentile bootstrap that "
            f"resamples runs within games ({SOURCE}). With three seeds they are wide."
        ),
        head=(*row_head(grid), "runs", "IQM [95 %]", "P(better than none) [95 %]"),
        rows=tuple(rows),
        data_head=(
            *("scheme", "lambda", *grid.keys, "runs", "iqm", "iqm_low", "iqm_high"),
            *("improvement_over_none", "improvement_low", "improvement_high"),
        ),
        data=tuple(data),
    )


def profile_table(grid: RecordGrid, normalised: Normalised) -> Table | None:
    """Performance profile at a few thresholds; the picture has it at all. None without a game."""
    if not normalised.games:
        return None
    shares = {
        row: performance_profile(scores, THRESHOLDS) for row, scores in normalised.scores.items()
    }
    return Table(
        name="performance_profile",
        title="Performance profile",
        caption=(
            "Share of runs whose human-normalised score lies above the threshold tau "
            f"({SOURCE}). {over_games(normalised)}"
        ),
        head=(*row_head(grid), *(f"{tau:.2f}" for tau in THRESHOLDS)),
        rows=tuple(
            (*row_cells(row), *(cell(value(float(share), 2)) for share in line))
            for row, line in shares.items()
        ),
        data_head=("scheme", "lambda", *grid.keys, "tau", "share_above"),
        data=tuple(
            (row.scheme, row.weight_decay, *row.extras, float(tau), float(share))
            for row, line in shares.items()
            for tau, share in zip(THRESHOLDS, line, strict=True)
        ),
    )


def _with_interval(middle: float, low: float, high: float, *, decimals: int) -> str:
    texts = (value(number, decimals) for number in (middle, low, high))
    return "{} [{}, {}]".format(*texts)
