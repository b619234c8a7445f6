"""What a few seeds say about a scheme over several games: the four statistics of rliable.

Everywhere `scores` is one array per game, of the normalised scores of its runs; the numbers of
runs may differ between games. Intervals resample the runs within each game (stratified bootstrap,
percentiles), with a fixed seed, so that the same scores give the same interval.

Source: Agarwal, Schwarzer, Castro, Courville and Bellemare, "Deep Reinforcement Learning at the
Edge of the Statistical Precipice", NeurIPS 2021. The tests compare with rliable 1.2.0.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from workload.exhibits.series import Values

GameScores = Sequence[Values]
Interval = tuple[float, float]

REPETITIONS = 100_000  # the ends of an interval then move by about 1/100 of its half width
BLOCK = 10_000  # repetitions at a time: bounds the memory
TRIMMED = 0.25
PERCENTILES = (2.5, 97.5)
SEED = 0


def interquartile_mean(scores: GameScores) -> float:
    """Mean of all runs' scores without the lowest and the highest quarter, over all games."""
    return float(_trimmed_mean(np.concatenate(scores)))


def interquartile_mean_interval(scores: GameScores) -> Interval:
    """95 % interval of `interquartile_mean`."""
    return _percentiles(_trimmed_mean(block) for block in _resampled(scores))


def performance_profile(scores: GameScores, thresholds: Values) -> Values:
    """Share of all runs whose score lies strictly above each threshold tau. Falls from 1 to 0."""
    pooled = np.concatenate(scores)
    return np.asarray((pooled[None, :] > thresholds[:, None]).mean(axis=1))


def probability_of_improvement(ours: GameScores, other: GameScores) -> float:
    """Mean over games of P(X > Y) + P(X = Y) / 2, X a run of ours and Y one of the other row.

    Per game this is the Mann-Whitney statistic over the product of the numbers of runs.
    """
    return float(np.mean([_wins(x, y).mean() for x, y in zip(ours, other, strict=True)]))


def probability_of_improvement_interval(ours: GameScores, other: GameScores) -> Interval:
    """95 % interval of `probability_of_improvement`; both sides are resampled independently."""
    games = [(_wins(x, y), len(x), len(y)) for x, y in zip(ours, other, strict=True)]
    random = np.random.default_rng(SEED)

    def blocks() -> Iterator[Values]:
        for _ in range(REPETITIONS // BLOCK):
            total = np.zeros(BLOCK)
            for wins, n, m in games:
                # How often each run is drawn says as much as the drawn runs, in less memory.
                x = random.multinomial(n, np.full(n, 1 / n), size=BLOCK)
                y = random.multinomial(m, np.full(m, 1 / m), size=BLOCK)
                total += ((x @ wins) * y).sum(axis=1) / (n * m)
            yield total / len(games)

    return _percentiles(blocks())


def _wins(ours: Values, other: Values) -> Values:
    """[n, m]: 1 where a run of ours beats one of the other, 1/2 where they are equal, else 0."""
    return (np.sign(ours[:, None] - other[None, :]) + 1) / 2


def _resampled(scores: GameScores) -> Iterator[Values]:
    """Blocks [BLOCK, runs] of all scores, drawn again with replacement within each game."""
    random = np.random.default_rng(SEED)
    for _ in range(REPETITIONS // BLOCK):
        drawn = [game[random.integers(len(game), size=(BLOCK, len(game)))] for game in scores]
        yield np.concatenate(drawn, axis=1)


def _trimmed_mean(scores: Values) -> Values:
    """scipy.stats.trim_mean over the last axis, of which a quarter is cut at each end."""
    from scipy.stats import trim_mean

    return np.asarray(trim_mean(scores, TRIMMED, axis=-1))


def _percentiles(blocks: Iterator[Values]) -> Interval:
    low, high = np.percentile(np.concatenate(list(blocks)), PERCENTILES)
    return float(low), float(high)
