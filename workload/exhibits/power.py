"""How large a difference must be for a few seeds to show it."""

from collections.abc import Sequence
from functools import cache
from statistics import median

ALPHA = 0.05
POWER = 0.8
FORMULA = (
    "two-sided two-sample t test at 5 %, 80 % power, exact noncentral t (Cohen 1988, chapter 2)"
)


@cache
def smallest_effect(runs: int) -> float:
    """Smallest difference of two means, in standard deviations, that a t test would show.

    The d at which the two-sided two-sample t test with `runs` runs on each side and a common
    variance rejects equality, at level ALPHA, with probability POWER. With f = 2 runs - 2 degrees
    of freedom, c = t_{f, 1 - ALPHA/2} and T noncentral t with f degrees and noncentrality
    d sqrt(runs / 2), whose square is noncentral F:

        P(T^2 > c^2) = POWER

    3 runs: 3.07; 5 runs: 2.02; 10 runs: 1.32.

    Raises:
        ValueError: fewer than two runs, which have no standard deviation.

    Source: Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, chapter 2.
    """
    if runs < 2:
        raise ValueError(f"{runs} runs on a side have no standard deviation; at least 2")
    from scipy.optimize import brentq
    from scipy.stats import ncf, t

    freedom = 2 * runs - 2
    critical = t.ppf(1 - ALPHA / 2, freedom)

    def missing(effect: float) -> float:
        return float(ncf.sf(critical**2, 1, freedom, effect**2 * runs / 2) - POWER)

    return float(brentq(missing, 0.01, 12))


@cache
def smallest_shift(runs: int) -> float:
    """Smallest mean of paired differences, in standard deviations of these, that a t test would
    show.

    The d at which the two-sided one-sample t test of `runs` differences rejects a mean of 0, at
    level ALPHA, with probability POWER: as `smallest_effect`, with runs - 1 degrees of freedom and
    noncentrality d sqrt(runs). 3 runs: 3.26; 5 runs: 1.68; 10 runs: 1.00.

    Raises:
        ValueError: fewer than two runs, which have no standard deviation.

    Source: Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, chapter 2.
    """
    if runs < 2:
        raise ValueError(f"{runs} runs have no standard deviation; at least 2")
    from scipy.optimize import brentq
    from scipy.stats import ncf, t

    critical = t.ppf(1 - ALPHA / 2, runs - 1)

    def missing(effect: float) -> float:
        return float(ncf.sf(critical**2, 1, runs - 1, effect**2 * runs) - POWER)

    return float(brentq(missing, 1e-3, 40))


def common_deviation(deviations: Sequence[float], runs: Sequence[int]) -> float:
    """Standard deviation common to several groups, which one group of another spread moves little.

    The median over groups of s^2 / q_n, q_n the median of chi^2 with n - 1 degrees of freedom over
    n - 1: what the variance would be if s^2 were its own median.

    Args:
        deviations: sample standard deviation of each group.
        runs: its number of runs, two or more.
    """
    from scipy.stats import chi2

    groups = zip(deviations, runs, strict=True)
    return float(median(s**2 * (n - 1) / chi2.median(n - 1) for s, n in groups) ** 0.5)
