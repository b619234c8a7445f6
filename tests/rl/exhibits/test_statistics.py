"""The statistics over games, against rliable 1.2.0, scipy and plain loops."""

import json
import math
import statistics

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, trim_mean
from scipy.stats import t as student

from rl.exhibits.statistics import (
    interquartile_mean,
    interquartile_mean_interval,
    performance_profile,
    probability_of_improvement,
    probability_of_improvement_interval,
)
from tests.rl.exhibits.reference import reference

OURS = [np.array([0.1, 0.5, 0.4]), np.array([5.0, 5.5, 5.2, 4.0]), np.array([0.9, 0.3])]
THEIRS = [np.array([0.3, 0.5, 0.2]), np.array([5.5, 4.5]), np.array([0.3, 0.3, 1.0])]
"""Three games of different levels and numbers of runs, with ties."""


@pytest.fixture(scope="module")
def rliable():
    """rliable's input, as one array per game, and what it computes from it."""
    record = json.loads(reference("rliable_fixture.json").read_text())
    scores = {name: list(np.array(runs).T) for name, runs in record["scores"].items()}
    return record, scores


@pytest.mark.parametrize("algorithm", ["a", "b"])
def test_the_interquartile_mean_is_rliables(rliable, algorithm):
    record, scores = rliable
    place = record["metrics"].index("iqm")
    ours = interquartile_mean(scores[algorithm])
    assert ours == pytest.approx(record["point"][algorithm][place], abs=1e-12)


@pytest.mark.parametrize("algorithm", ["a", "b"])
def test_the_profile_is_rliables(rliable, algorithm):
    record, scores = rliable
    profile = record["performance_profile"]
    ours = performance_profile(scores[algorithm], np.array(profile["tau"]))
    assert ours.tolist() == pytest.approx(profile[algorithm], abs=1e-15)


def test_the_probability_of_improvement_is_rliables(rliable):
    record, scores = rliable
    theirs = record["probability_of_improvement"]
    ours = probability_of_improvement(scores["a"], scores["b"])
    assert ours == pytest.approx(theirs["point"], abs=1e-12)


def middle(scores):
    """By replication: with as many copies of each run as make all games equally long, and four of
    each more, leave out a quarter at each end and take the mean."""
    longest = math.lcm(*map(len, scores))
    copies = [float(x) for game in scores for x in game for _ in range(4 * longest // len(game))]
    cut = len(copies) // 4
    return statistics.mean(sorted(copies)[cut : len(copies) - cut])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 24])
def test_of_one_game_it_is_the_mean_of_the_middle_half(count):
    values = np.random.default_rng(count).normal(size=count)
    assert interquartile_mean([values]) == pytest.approx(middle([values]), abs=1e-12)
    if count % 4 == 0:
        assert interquartile_mean([values]) == pytest.approx(trim_mean(values, 0.25), abs=1e-12)


def test_every_game_weighs_the_same_whatever_its_number_of_runs():
    assert interquartile_mean(OURS) == pytest.approx(middle(OURS), abs=1e-12)
    twice = [np.repeat(game, 1 + place) for place, game in enumerate(OURS)]
    assert interquartile_mean(twice) == pytest.approx(interquartile_mean(OURS), abs=1e-12)


def test_the_profile_counts_runs_strictly_above_each_threshold():
    thresholds = [0.0, 0.3, 0.5, 4.0, 5.5]
    expected = [
        statistics.mean(sum(x > tau for x in game) / len(game) for game in OURS)
        for tau in thresholds
    ]
    assert performance_profile(OURS, np.array(thresholds)).tolist() == pytest.approx(expected)
    # 0.3 itself is a score: not above 0.3; of the games 2 of 3, 4 of 4 and 1 of 2 are
    assert expected[1] == pytest.approx((2 / 3 + 1 + 1 / 2) / 3)
    assert expected[-1] == 0


def wins(x, y):
    """P(X > Y) + P(X = Y) / 2 by a double loop."""
    points = [1.0 if a > b else 0.5 if a == b else 0.0 for a in x for b in y]
    return sum(points) / len(points)


def mean_of_wins(ours, theirs):
    return statistics.mean(wins(x, y) for x, y in zip(ours, theirs, strict=True))


def test_the_probability_of_improvement_is_the_mean_over_games_with_ties_half():
    expected = mean_of_wins(OURS, THEIRS)
    assert probability_of_improvement(OURS, THEIRS) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("game", [0, 1, 2])
def test_of_one_game_it_is_the_mann_whitney_statistic(game):
    x, y = OURS[game], THEIRS[game]
    expected = mannwhitneyu(x, y).statistic / (len(x) * len(y))
    assert probability_of_improvement([x], [y]) == pytest.approx(expected, abs=1e-12)


def test_against_itself_it_is_one_half_and_both_ways_it_adds_up_to_one():
    assert probability_of_improvement(OURS, OURS) == pytest.approx(0.5, abs=1e-12)
    forth = probability_of_improvement(OURS, THEIRS)
    assert forth + probability_of_improvement(THEIRS, OURS) == pytest.approx(1, abs=1e-12)


EVEN = [np.random.default_rng(i).normal(i / 2, 1, size=4 + i) for i in range(4)]
OTHERS = [np.random.default_rng(10 + i).normal(0, 1, size=5) for i in range(4)]


def test_the_interval_of_the_interquartile_mean_is_the_plain_jackknifes():
    variances = []
    for place, game in enumerate(EVEN):
        without = []
        for left_out in range(len(game)):
            rest = [x for i, x in enumerate(game) if i != left_out]
            without.append(middle([*EVEN[:place], rest, *EVEN[place + 1 :]]))
        n = len(game)
        centre = statistics.mean(without)
        variances.append((n - 1) / n * sum((e - centre) ** 2 for e in without))
    freedom = sum(variances) ** 2 / sum(
        v**2 / (len(game) - 1) for v, game in zip(variances, EVEN, strict=True)
    )
    half = student.ppf(0.975, math.floor(freedom)) * math.sqrt(sum(variances))
    expected = middle(EVEN) - half, middle(EVEN) + half
    assert interquartile_mean_interval(EVEN) == pytest.approx(expected, abs=1e-9)


def test_of_three_equal_games_of_one_level_it_is_students_interval_of_a_mean():
    """Runs -1, 0, 1 in the middle game alone decide: the mean of the middle half is theirs."""
    scores = [np.full(3, -50.0), np.array([-1.0, 0.0, 1.0]), np.full(3, 50.0)]
    low, high = interquartile_mean_interval(scores)
    # a third of the weight, of the half that counts; the rest is constant: 50 - 50
    half = student.ppf(0.975, 2) * math.sqrt(1 / 3) * (2 / 3)
    assert (low, high) == pytest.approx((-half, half), abs=1e-9)


def test_the_interval_of_the_improvement_holds_the_values_that_the_estimate_does_not_contradict():
    """By trying every value on a fine grid."""
    estimate = mean_of_wins(EVEN, OTHERS)
    quantile = student.ppf(
        0.975, sum(len(x) + len(y) - 2 for x, y in zip(EVEN, OTHERS, strict=True))
    )
    kept = []
    for p in np.linspace(0, 1, 10_001):
        variances = []
        for x, y in zip(EVEN, OTHERS, strict=True):
            n, m = len(x), len(y)
            q1, q2 = p / (2 - p), 2 * p**2 / (1 + p)  # Hanley and McNeil, 1982
            more = (n + m) / 2 - 1  # Newcombe's mean of both sides
            variances.append((p * (1 - p) + more * (q1 - p**2 + q2 - p**2)) / (n * m))
        if abs(estimate - p) <= quantile * math.sqrt(sum(variances)) / len(EVEN):
            kept.append(p)
    found = probability_of_improvement_interval(EVEN, OTHERS)
    assert found == pytest.approx((kept[0], kept[-1]), abs=2e-4)


def test_where_every_run_beats_every_other_one_the_interval_has_a_width():
    ours, theirs = [np.array([3.0, 4.0, 5.0])] * 8, [np.array([0.0, 1.0, 2.0])] * 8
    low, high = probability_of_improvement_interval(ours, theirs)
    assert 0.8 < low < 0.95
    assert high == 1
    assert probability_of_improvement_interval(theirs, ours) == pytest.approx((0, 1 - low))


def test_seeds_that_do_not_differ_say_nothing_of_other_seeds():
    assert interquartile_mean_interval([np.full(3, -21.0)] * 4) is None


def test_two_games_have_no_interval_of_their_middle_half():
    scores = [np.array([0.0, 1.0, 2.0]), np.array([10.0, 11.0, 12.0])]
    assert interquartile_mean_interval(scores) is None
    assert probability_of_improvement_interval(scores, scores) is not None


def test_an_interval_holds_its_estimate():
    low, high = interquartile_mean_interval(EVEN)
    assert low < middle(EVEN) < high
    low, high = probability_of_improvement_interval(EVEN, OTHERS)
    assert low < mean_of_wins(EVEN, OTHERS) < high
