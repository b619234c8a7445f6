"""The statistics over games, against rliable 1.2.0, scipy and plain loops."""

import json
import random
import statistics

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

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
def test_the_interquartile_mean_and_its_interval_are_rliables(rliable, algorithm):
    record, scores = rliable
    place = record["metrics"].index("iqm")
    ours = interquartile_mean(scores[algorithm])
    assert ours == pytest.approx(record["point"][algorithm][place], abs=1e-12)
    ends = [end[place] for end in record["interval95"][algorithm]]
    assert interquartile_mean_interval(scores[algorithm]) == pytest.approx(ends, abs=0.002)


@pytest.mark.parametrize("algorithm", ["a", "b"])
def test_the_profile_is_rliables(rliable, algorithm):
    record, scores = rliable
    profile = record["performance_profile"]
    ours = performance_profile(scores[algorithm], np.array(profile["tau"]))
    assert ours.tolist() == pytest.approx(profile[algorithm], abs=1e-15)


def test_the_probability_of_improvement_and_its_interval_are_rliables(rliable):
    record, scores = rliable
    theirs = record["probability_of_improvement"]
    ours = probability_of_improvement(scores["a"], scores["b"])
    assert ours == pytest.approx(theirs["point"], abs=1e-12)
    # 8 games of 3 x 3 pairs: the bootstrap's values lie 1/72 apart, and so may its percentiles
    ends = probability_of_improvement_interval(scores["a"], scores["b"])
    assert ends == pytest.approx(theirs["interval95"], abs=1 / 72)


def trimmed(values):
    """The definition: sort, leave out a quarter (whole runs) at each end, take the mean."""
    cut = len(values) // 4
    return statistics.mean(sorted(values)[cut : len(values) - cut])


def pooled(scores):
    return [float(score) for game in scores for score in game]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 24])
def test_the_interquartile_mean_leaves_out_whole_runs_at_each_end(count):
    values = np.random.default_rng(count).normal(size=count)
    assert interquartile_mean([values]) == pytest.approx(trimmed(values.tolist()), abs=1e-12)


def test_the_interquartile_mean_pools_the_runs_of_all_games():
    assert interquartile_mean(OURS) == pytest.approx(trimmed(pooled(OURS)), abs=1e-12)


def test_the_profile_counts_runs_strictly_above_each_threshold():
    thresholds = [0.0, 0.3, 0.5, 4.0, 5.5]
    expected = [sum(x > tau for x in pooled(OURS)) / len(pooled(OURS)) for tau in thresholds]
    assert performance_profile(OURS, np.array(thresholds)).tolist() == pytest.approx(expected)
    assert expected[1] == 7 / 9  # 0.3 itself is a score: not above 0.3
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


def drawn_again(scores, draw):
    """Each game's runs, drawn again from that game alone."""
    return [draw.choices(game.tolist(), k=len(game)) for game in scores]


def percentiles(values):
    cuts = statistics.quantiles(values, n=40, method="inclusive")
    return cuts[0], cuts[-1]  # 1/40 and 39/40


def tolerance(values):
    """Five standard errors of a 2.5 % quantile of so many normal draws."""
    density = 0.0584 / statistics.stdev(values)
    return 5 * (0.025 * 0.975 / len(values)) ** 0.5 / density


def test_the_interval_of_the_interquartile_mean_is_that_of_a_plain_stratified_bootstrap():
    draw = random.Random(1)
    # Games far apart: a bootstrap that mixed them would give an interval many times as wide.
    scores = [np.random.default_rng(i).normal(10 * i, 1, size=4 + i) for i in range(4)]
    values = [trimmed(pooled(drawn_again(scores, draw))) for _ in range(4000)]
    found = interquartile_mean_interval(scores)
    assert found == pytest.approx(percentiles(values), abs=tolerance(values))


def test_the_interval_of_the_improvement_is_that_of_a_plain_bootstrap_of_both_sides():
    draw = random.Random(2)
    ours = [np.random.default_rng(i).normal(0.3, 1, size=6) for i in range(4)]
    theirs = [np.random.default_rng(10 + i).normal(0, 1, size=5) for i in range(4)]
    values = [mean_of_wins(drawn_again(ours, draw), drawn_again(theirs, draw)) for _ in range(4000)]
    found = probability_of_improvement_interval(ours, theirs)
    assert found == pytest.approx(percentiles(values), abs=tolerance(values))


def test_games_of_one_run_each_leave_nothing_to_draw_again():
    scores = [np.array([0.1]), np.array([0.7]), np.array([0.9]), np.array([2.0])]
    assert interquartile_mean_interval(scores) == pytest.approx((0.8, 0.8), abs=1e-12)
    assert probability_of_improvement_interval(scores, scores) == (0.5, 0.5)


def test_the_same_scores_give_the_same_interval():
    first = interquartile_mean_interval(OURS), probability_of_improvement_interval(OURS, THEIRS)
    again = interquartile_mean_interval(OURS), probability_of_improvement_interval(OURS, THEIRS)
    assert first == again


def test_an_interval_holds_its_estimate():
    low, high = interquartile_mean_interval(OURS)
    assert low < trimmed(pooled(OURS)) < high
    low, high = probability_of_improvement_interval(OURS, THEIRS)
    assert low < mean_of_wins(OURS, THEIRS) < high
