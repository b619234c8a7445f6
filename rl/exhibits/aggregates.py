"""Aggregates over games: interquartile mean, probability of improvement, performance profile."""

from dataclasses import dataclass

import numpy as np

from rl.exhibits import published
from rl.exhibits.statistics import (
    Interval,
    interquartile_mean,
    interquartile_mean_interval,
    performance_profile,
    probability_of_improvement,
    probability_of_improvement_interval,
)
from rl.metrics import RETURN
from workload.exhibits.cells import MINUS, listed, row_cells, row_head, value
from workload.exhibits.document import Cell, Table, Value, cell
from workload.exhibits.grid import RecordGrid, Row
from workload.exhibits.series import Values
from workload.wording import counted

SOURCE = "Agarwal et al., NeurIPS 2021"
THRESHOLDS = 9
"""Columns of the table of the performance profile."""


@dataclass(frozen=True)
class Normalised:
    """Human-normalised scores, (score - random) / (human - random), by row and game.

    A run that has diverged counts as random play, 0. Runs that are unfinished or missing count
    nowhere: a row stands on the games and runs that it has.

    Attributes:
        games: those in which any row has a run that counts, by name.
        scores: per row an array of runs by game, of the games that it has.
    """

    games: tuple[str, ...]
    scores: dict[Row, dict[str, Values]]

    @classmethod
    def of(cls, grid: RecordGrid) -> "Normalised":
        """Games without published scores of random play and of a person stay out."""
        known = published.random_and_human()
        scores: dict[Row, dict[str, Values]] = {}
        for row in grid.rows:
            for game in grid.tasks:
                if game not in known:
                    continue
                summary = grid.summary(row, game, RETURN.key)
                finished = _normalise(np.array(summary.scores), *known[game])
                counted = np.append(finished, np.zeros(summary.diverged))
                if len(counted):
                    scores.setdefault(row, {})[game] = counted
        found = {game for own in scores.values() for game in own}
        return cls(tuple(game for game in grid.tasks if game in found), scores)

    def common(self, row: Row, other: Row) -> tuple[list[Values], list[Values]]:
        """The scores of two rows in the games that both have."""
        ours, theirs = self.scores.get(row, {}), self.scores.get(other, {})
        games = [game for game in self.games if game in ours and game in theirs]
        return [ours[game] for game in games], [theirs[game] for game in games]

    def lacks_games(self, row: Row) -> bool:
        return len(self.scores[row]) < len(self.games)

    def count(self, row: Row) -> str:
        """The games of a row, of all: e.g. `7/8`."""
        return f"{len(self.scores[row])}/{len(self.games)}"


def _normalise(scores: Values, random: float, human: float) -> Values:
    return (scores - random) / (human - random)


def about(normalised: Normalised) -> str:
    """Which games, which score, and what counts how."""
    text = (
        "Scores are human-normalised, (score - random) / (human - random), over "
        f"{listed(normalised.games)}. Every game weighs the same, whatever its number of runs; "
        "a run that diverged counts as random play, 0."
    )
    if any(map(normalised.lacks_games, normalised.scores)):
        text += (
            " A row that lacks a game is not to be compared with rows that have it: games differ "
            "more than schemes."
        )
    return text


def aggregate_table(grid: RecordGrid, normalised: Normalised) -> Table | None:
    """A line per scheme and lambda; None without a game to go by."""
    if not normalised.games:
        return None
    rows: list[tuple[Cell, ...]] = []
    data: list[tuple[Value, ...]] = []
    for row, by_game in normalised.scores.items():
        scores = list(by_game.values())
        mean, interval = interquartile_mean(scores), interquartile_mean_interval(scores)
        middle = [_with_interval(mean, interval, 3)]
        beside = _beside_none(grid, normalised, row)
        if beside.games and normalised.lacks_games(row):
            in_games = f"none's {value(beside.middle, 3)} in {counted(beside.games, 'game')}"
            middle.append(f"{value(beside.ours, 3)} beside {in_games}")
        count = sum(map(len, scores))
        rows.append(
            (
                *row_cells(row),
                cell(normalised.count(row)),
                cell(str(count)),
                cell(*middle),
                cell(_with_interval(beside.better, beside.interval, 2)),
            )
        )
        fixed: tuple[Value, ...] = (row.scheme, row.weight_decay, *row.extras, len(scores), count)
        ends: tuple[Value, ...] = interval or (None, None)
        better_ends: tuple[Value, ...] = beside.interval or (None, None)
        data.append((*fixed, mean, *ends, beside.games, beside.middle, beside.better, *better_ends))
    return Table(
        name="aggregates",
        title="Aggregates over games",
        caption=(
            f"{about(normalised)} IQM: mean of the middle half of all runs. P(better than none): "
            "probability that a run beats a run of none on the same game, ties counting half, "
            f"mean over the games that both have ({SOURCE}). In brackets: 95 % intervals of what "
            "other seeds might have given, by a stratified jackknife with Student's t, and by "
            "Newcombe's method 5; in simulations they hold the truth 92 to 98 and at least 94 % "
            "of the time. There is none where half of the games have fewer than three runs or one "
            "has a single run, nor of an IQM over fewer than three games."
        ),
        head=(
            *(*row_head(grid), "games", "runs"),
            *("IQM [95 %]", "P(better than none) [95 %]"),
        ),
        rows=tuple(rows),
        data_head=(
            *("scheme", "lambda", *grid.keys, "games", "runs", "iqm", "iqm_low", "iqm_high"),
            *("games_with_none", "iqm_of_none_there"),
            *("improvement_over_none", "improvement_low", "improvement_high"),
        ),
        data=tuple(data),
    )


@dataclass(frozen=True)
class _Comparison:
    """A row and its `none` in the games that both have.

    Attributes:
        games: how many; 0 without a `none`, and nothing else is known then.
        ours, middle: interquartile means of the row and of `none` there.
        better, interval: the probability that the row is better.
    """

    games: int = 0
    ours: float | None = None
    middle: float | None = None
    better: float | None = None
    interval: Interval | None = None


def _beside_none(grid: RecordGrid, normalised: Normalised, row: Row) -> _Comparison:
    partner = grid.partner(row)
    ours, theirs = normalised.common(row, partner) if partner else ([], [])
    if not ours:
        return _Comparison()
    return _Comparison(
        len(ours),
        interquartile_mean(ours),
        interquartile_mean(theirs),
        probability_of_improvement(ours, theirs),
        probability_of_improvement_interval(ours, theirs),
    )


def profile_table(grid: RecordGrid, normalised: Normalised) -> Table | None:
    """Performance profile at a few thresholds; the picture has it at all. None without a game."""
    if not normalised.games:
        return None
    thresholds = thresholds_of(normalised)
    shares = {
        row: performance_profile(list(scores.values()), thresholds)
        for row, scores in normalised.scores.items()
    }
    return Table(
        name="performance_profile",
        title="Performance profile",
        caption=(
            "Share of runs whose human-normalised score lies above the threshold tau, mean over "
            f"games ({SOURCE}); the thresholds are deciles of all rows' scores. "
            f"{about(normalised)}"
        ),
        head=(*row_head(grid), "games", *(f"{tau:.3g}".replace("-", MINUS) for tau in thresholds)),
        rows=tuple(
            (
                *row_cells(row),
                cell(normalised.count(row)),
                *(cell(value(float(share), 2)) for share in line),
            )
            for row, line in shares.items()
        ),
        data_head=("scheme", "lambda", *grid.keys, "games", "tau", "share_above"),
        data=tuple(
            (
                *_head(row),
                len(normalised.scores[row]),
                float(tau),
                float(share),
            )
            for row, line in shares.items()
            for tau, share in zip(thresholds, line, strict=True)
        ),
    )


def _head(row: Row) -> tuple[Value, ...]:
    return row.scheme, row.weight_decay, *row.extras


def thresholds_of(normalised: Normalised) -> Values:
    """Deciles of all scores, each once, to three digits."""
    pooled = [game for scores in normalised.scores.values() for game in scores.values()]
    tenths = np.linspace(0, 1, THRESHOLDS + 2)[1:-1]
    deciles = np.quantile(np.concatenate(pooled), tenths)
    return np.unique([float(f"{decile:.3g}") for decile in deciles])


def _with_interval(middle: float | None, interval: Interval | None, decimals: int) -> str:
    if interval is None:
        return value(middle, decimals)
    low, high = (value(end, decimals) for end in interval)
    return f"{value(middle, decimals)} [{low}, {high}]"
