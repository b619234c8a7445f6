"""Intervals and verdicts of known numbers."""

import numpy as np
import pytest
from scipy.stats import binomtest

from workload.exhibits.power import smallest_shift
from workload.verdict import Claim, Verdict

CLAIM = Claim("a", "b", "c", ("d.yaml", "d-small.yaml"), "f")


def of(*numbers):
    return Verdict.of(CLAIM, "runs", numbers)


def test_interval_by_the_tables_of_student():
    """Of 1, 2, 3: mean 2, standard error 1/sqrt(3), quantile 4.303 for two degrees of freedom."""
    verdict = of(1.0, 2.0, 3.0)
    assert verdict.low == pytest.approx(2 - 4.302653 / 3**0.5, rel=1e-6)
    assert verdict.high == pytest.approx(2 + 4.302653 / 3**0.5, rel=1e-6)
    assert verdict.deviation == pytest.approx(1)
    assert of(1.0, 2.0).low is of(1.0, 2.0).high is Verdict(CLAIM).low is None


@pytest.mark.parametrize("seeds", [3, 5, 6, 7])
def test_as_many_alike_as_a_sign_test_takes(seeds):
    """By scipy's binomial test of so many signs, all the same."""
    decided = binomtest(seeds, seeds).pvalue < 0.05
    assert of(*[0.1] * seeds).decided == decided
    assert of(*[0.1] * seeds).low is of(*[0.1] * seeds).deviation is None


@pytest.mark.parametrize(
    ("numbers", "word"),
    [
        ([1.0], "too few seeds: points for"),
        ([-1.0, -2.0], "too few seeds: points against"),
        ([-1.0, 2.0], "too few seeds"),
        ([9.0, 10.0, 11.0], "holds"),
        ([-9.0, -10.0, -11.0], "does not hold"),
        ([1.0, 2.0, 3.0], "undecided"),
        ([0.1] * 5, "undecided"),
        ([0.1] * 6, "holds"),
        ([-0.1] * 6, "does not hold"),
        ([0.0] * 6, "undecided"),
        ([0.3 - 0.1, 0.2, 0.2], "undecided"),  # the same but for rounding
        ([0.1 + 0.2 - 0.3, 0.0, 0.0], "undecided"),
    ],
)
def test_verdicts(numbers, word):
    assert of(*numbers).word == word


def test_the_smallest_mean_that_shows_is_found_four_times_in_five():
    """By drawing many studies of five seeds whose true mean it is."""
    random = np.random.default_rng(0)
    draws = random.normal(smallest_shift(5), 1.0, (4_000, 5))
    error = draws.std(axis=1, ddof=1) / 5**0.5
    # 2.776: Student's quantile .975 of four degrees of freedom
    found = np.abs(draws.mean(axis=1)) > 2.776445 * error
    assert found.mean() == pytest.approx(0.8, abs=0.02)


def test_what_an_undecided_number_says_of_itself():
    undecided = of(0.0, 1.0, 2.0)  # deviation 1
    assert undecided.word == "undecided"
    assert undecided.smallest_shown == pytest.approx(smallest_shift(3))
    needed = undecided.seeds_needed
    assert smallest_shift(needed) <= 1 < smallest_shift(needed - 1)
    assert of(-1.0, 1e-3, 1.0).seeds_needed is None  # more than a thousand
    assert of(0.0, 0.0, 0.0).seeds_needed is None  # nothing is there to be shown
    assert of(0.1, 0.1, 0.1).smallest_shown is None  # no spread that it could be told by
    assert of(0.1, 0.1, 0.1).seeds_needed == 6
    assert of(1.0, 2.0).smallest_shown is None


@pytest.mark.parametrize(
    ("numbers", "hours", "more"),
    [
        ((1.0,), 0.5, "3 seeds, 1.5 h; or d.yaml"),
        ((1.0,), None, "3 seeds; or d.yaml"),
        ((0.0, 1.0, 2.0), 0.5, "10 seeds, 5 h; or d.yaml"),  # a mean of one deviation: Cohen's
        ((-1.0, 1e-3, 1.0), 0.5, "over 1,000 seeds; or d.yaml"),
        ((0.5, 0.5, 0.5), 0.5, "6 seeds, 3 h; or d.yaml"),
        ((0.0, 0.0, 0.0), 0.5, "d.yaml"),
    ],
)
def test_what_would_decide_a_claim(numbers, hours, more):
    assert Verdict.of(CLAIM, "runs", numbers, hours).more == more


def test_what_would_test_a_claim():
    assert Verdict(CLAIM).word == "not tested"
    assert Verdict(CLAIM).more == "d.yaml, d-small.yaml"
