"""What a few seeds say about a scheme over several games.

Everywhere `scores` is one array per game, of the normalised scores of its runs. Every game weighs
the same, however many runs it has: a run weighs 1 / (games x runs of its game). With as many runs
in every game, a multiple of four in all, the estimates are those of Agarwal, Schwarzer, Castro,
Courville and Bellemare, "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
NeurIPS 2021 (rliable 1.2.0, with which the tests compare).

Their intervals, percentiles of a bootstrap, hold the truth far more rarely than they say where
seeds are few: over 8 games 77 to 90 % of the time with three seeds and 83 to 93 % with five, where
they say 95. The intervals here are other ones, and `tests/rl/exhibits/test_coverage.py` counts how
often they hold the truth.
"""

from collections.abc import Sequence

import numpy as np

from workload.exhibits.series import Values

GameScores = Sequence[Values]
Interval = tuple[float, float]

TRIMMED = 0.25
TAIL = 0.975  # of a two-sided 95 % interval
LEAST = 3  # runs of most games, and games of an interquartile mean, below which is no interval

EDGE = 1e-9


def interquartile_mean(scores: GameScores) -> float:
    """Mean of the middle half of the scores of all games, each game with the same weight.

    With scores in rising order and the weights w_i of their runs, which add up to 1, a run counts
    with that part of its weight that lies between 1/4 and 3/4 of all weight.
    """
    weights = [np.full(len(game), 1 / (len(scores) * len(game))) for game in scores]
    return _middle(np.concatenate(scores), np.concatenate(weights))


def interquartile_mean_interval(scores: GameScores) -> Interval | None:
    """95 % interval of `interquartile_mean`, of the seeds that might have been drawn.

    The estimate plus and minus t s. s^2 is the sum over games of the jackknife's variance, of game
    g with n runs and the estimates e_i without its run i

        s_g^2 = (n - 1) / n sum_i (e_i - mean e)^2,

    and t the quantile of Student's distribution with Satterthwaite's degrees of freedom,
    s^4 / sum_g (s_g^4 / (n_g - 1)), rounded down. Coverage over 3 to 8 games, of 3 to 10 seeds
    each: 92 to 98 %; where a seventh of all seeds learns nothing, 90 % with three seeds.

    None where half of the games have fewer than three runs or one has a single run, where there are
    fewer than three games (of two games far apart, the quartiles lie within each one's few runs),
    and where no run differs.

    Source: Efron and Stein, "The Jackknife Estimate of Variance", Annals of Statistics, 1981;
    Satterthwaite, "An Approximate Distribution of Estimates of Variance Components", 1946.
    """
    counts = np.array([len(game) for game in scores])
    if len(scores) < LEAST or _too_few(counts.tolist()):
        return None
    variances = np.array([_jackknife_variance(scores, game) for game in range(len(scores))])
    total = float(variances.sum())
    if not total > 0:
        return None
    from scipy.stats import t

    freedom = max(1, np.floor(total**2 / (variances**2 / (counts - 1)).sum()))
    half = float(t.ppf(TAIL, freedom)) * total**0.5
    middle = interquartile_mean(scores)
    return middle - half, middle + half


def performance_profile(scores: GameScores, thresholds: Values) -> Values:
    """Share of runs whose score lies strictly above each threshold tau, mean over games. Falls
    from 1 to 0."""
    shares = [(game[None, :] > thresholds[:, None]).mean(axis=1) for game in scores]
    return np.asarray(np.mean(shares, axis=0))


def probability_of_improvement(ours: GameScores, other: GameScores) -> float:
    """Mean over games of P(X > Y) + P(X = Y) / 2, X a run of ours and Y one of the other row.

    Per game this is the Mann-Whitney statistic over the product of the numbers of runs.
    """
    return float(np.mean([_wins(x, y).mean() for x, y in zip(ours, other, strict=True)]))


def probability_of_improvement_interval(ours: GameScores, other: GameScores) -> Interval | None:
    """95 % interval of `probability_of_improvement`: the values p that the estimate does not
    contradict,

        |estimate - p| <= t sqrt(mean over games of V_g(p) / games).

    V(p) is Hanley and McNeil's variance of the Mann-Whitney statistic of n and m runs, with
    k = (n + m) / 2 - 1

        V(p) = p (1 - p) / (n m) (1 + k (1 - p) / (2 - p) + k p / (1 + p)),

    and t has the degrees of freedom of all runs, sum_g (n_g + m_g - 2). As V is concave in p, it is
    too wide where games differ in p, never too narrow for it; and it has a width where every run of
    one side beats every one of the other. Coverage over 1 to 8 games that have one p, of 3 to 10
    seeds each: 94 to 100 %.

    None where in half of the games a side has fewer than three runs, or in one a single run.

    Source: Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney
    statistic. Part 2", Statistics in Medicine, 2006, method 5.
    """
    counts = [(len(x), len(y)) for x, y in zip(ours, other, strict=True)]
    if _too_few([min(both) for both in counts]):
        return None
    from scipy.optimize import brentq
    from scipy.stats import t

    estimate = probability_of_improvement(ours, other)
    quantile = float(t.ppf(TAIL, sum(n + m - 2 for n, m in counts)))

    def surplus(p: float) -> float:
        """Of the distance over what p allows."""
        variance = sum(_mann_whitney_variance(p, n, m) for n, m in counts) / len(counts) ** 2
        return float(abs(estimate - p) - quantile * variance**0.5)

    # V(0) = V(1) = 0: an estimate of 0 or 1 has itself as a further root
    low = 0.0 if estimate <= 0 else float(brentq(surplus, 0, min(estimate, 1 - EDGE)))
    high = 1.0 if estimate >= 1 else float(brentq(surplus, max(estimate, EDGE), 1))
    return low, high


def _too_few(counts: Sequence[int]) -> bool:
    """Whether games with so many runs, most of them, say too little of other seeds."""
    return bool(np.min(counts) < 2 or np.median(counts) < LEAST)


def _middle(scores: Values, weights: Values) -> float:
    """The mean of the middle half of the weight, the scores in any order."""
    order = np.argsort(scores)
    ends = np.cumsum(weights[order])
    kept = np.minimum(ends, 1 - TRIMMED) - np.maximum(ends - weights[order], TRIMMED)
    kept = np.clip(kept, 0, None)
    return float((scores[order] * kept).sum() / kept.sum())


def _jackknife_variance(scores: GameScores, game: int) -> float:
    """What the choice of a game's runs adds to the variance of the interquartile mean."""
    own = scores[game]
    without = [
        interquartile_mean([*scores[:game], np.delete(own, run), *scores[game + 1 :]])
        for run in range(len(own))
    ]
    return float((len(own) - 1) * np.var(without))


def _mann_whitney_variance(p: float, n: int, m: int) -> float:
    k = (n + m) / 2 - 1
    return p * (1 - p) / (n * m) * (1 + k * (1 - p) / (2 - p) + k * p / (1 + p))


def _wins(ours: Values, other: Values) -> Values:
    """[n, m]: 1 where a run of ours beats one of the other, 1/2 where they are equal, else 0."""
    return (np.sign(ours[:, None] - other[None, :]) + 1) / 2
