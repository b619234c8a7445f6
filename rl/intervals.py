"""What a few episodes say about an agent: 95 % intervals of the mean and the median return."""

import math
from collections.abc import Sequence

CONFIDENCE = 0.95
Interval = tuple[float, float]


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Student's: mean -+ t * s / sqrt(n), t the .975 quantile with n - 1 degrees of freedom and
    s^2 = sum (x - mean)^2 / (n - 1). None of fewer than two values, and of values that are all the
    same, which have no spread to tell it by."""
    from scipy.stats import t

    n = len(values)
    if n < 2 or min(values) == max(values):
        return None
    mean = math.fsum(values) / n
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * deviation / math.sqrt(n)
    return mean - half, mean + half


def median_interval(values: Sequence[float]) -> Interval | None:
    """From the kth smallest to the kth largest value, whatever their distribution: k the largest
    with P(X < k) <= .025, X binomial with n and 1/2. None of fewer than six values, where none
    covers 95 %."""
    from scipy.stats import binom

    n = len(values)
    k = int(binom.ppf((1 - CONFIDENCE) / 2, n, 0.5))
    if binom.cdf(k - 1, n, 0.5) > (1 - CONFIDENCE) / 2:
        k -= 1
    if k < 1:
        return None
    ordered = sorted(values)
    return ordered[k - 1], ordered[n - k]
