"""What tuning costs: the best of some lambdas, and the width of the good ones."""

import itertools
import statistics

import numpy as np
import pytest
from scipy.stats import t

from rl.metrics import RETURN
from tests.suite.results.runs import game_run, grid_of, records_of_table
from workload.exhibits.tuning import expected_best, good_decades, tuning_table

SCORES = [3.0, -1.0, 7.0, 4.0, 7.0]


@pytest.mark.parametrize("trials", [1, 2, 3, 5])
@pytest.mark.parametrize(("better", "best"), [("higher", max), ("lower", min)])
def test_the_expected_best_is_the_mean_over_all_choices(trials, better, best):
    choices = [best(choice) for choice in itertools.combinations(SCORES, trials)]
    assert expected_best(SCORES, trials, better) == pytest.approx(statistics.mean(choices))


def test_good_decades_by_hand():
    """10 at 1e-4; 9 is reached half a decade above, where 8 is at 1e-3, and at the end below."""
    scores = {1e-6: 9.5, 1e-5: 9.2, 1e-4: 10.0, 1e-3: 8.0, 1e-2: 9.9}
    assert good_decades(scores, 1.0, "higher") == pytest.approx(2.5)
    losses = {decay: -score for decay, score in scores.items()}
    assert good_decades(losses, 1.0, "lower") == pytest.approx(2.5)


def test_a_single_good_lambda_is_as_wide_as_its_slopes():
    """From 10 to 0 within a decade on both sides: 9 is a tenth of a decade away."""
    assert good_decades({1e-5: 0.0, 1e-4: 10.0, 1e-3: 0.0}, 1.0, "higher") == pytest.approx(0.2)


@pytest.mark.parametrize("seed", range(20))
def test_good_decades_as_a_plain_loop_counts_them(seed):
    """Walking from the best lambda on a fine axis, both ways, until the line is below the slack."""
    random = np.random.default_rng(seed)
    scores = dict(zip(10.0 ** np.arange(-6, 0), random.normal(size=6), strict=True))
    step, decays = 1e-4, np.log10(list(scores))
    values = list(scores.values())
    best = int(np.argmax(values))
    width = 0.0
    for direction in (-1, 1):
        at = decays[best]
        while (
            -6 <= at + direction * step <= -1
            and np.interp(at + direction * step, decays, values) >= values[best] - 0.5
        ):
            at += direction * step
        width += abs(at - decays[best])
    assert good_decades(scores, 0.5, "higher") == pytest.approx(width, abs=3 * step)


DECAYS = (1e-5, 1e-4, 1e-3)
RETURNS = {"l2": [[10, 12, 0], [8, 12, 2], [9, 11, 0]], "decoupled": [[11, 12, 11.5]] * 3}
"""By seed and lambda."""


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    runs = [
        game_run(folder, "Pong", scheme, decay, seed, [score])
        for scheme, seeds in RETURNS.items()
        for seed, scores in enumerate(seeds)
        for decay, score in zip(DECAYS, scores, strict=True)
    ]
    runs += [game_run(folder, "Pong", "stable", decay, 0, [1.0]) for decay in DECAYS[:2]]
    return tuning_table(grid_of(runs), RETURN, "tuning", decimals=None)


def test_a_line_per_scheme_with_three_lambdas(table):
    assert [record["scheme"] for record in records_of_table(table)] == ["l2", "decoupled"]
    assert [record["lambdas"] for record in records_of_table(table)] == [3, 3]


def test_the_numbers_are_means_over_seeds_with_students_interval(table):
    (l2, decoupled) = records_of_table(table)
    one = statistics.mean(statistics.mean(scores) for scores in RETURNS["l2"])
    assert l2["best_after_1"] == pytest.approx(one)
    assert l2["best_after_3"] == pytest.approx(statistics.mean(map(max, RETURNS["l2"])))
    assert l2["best_after_5"] is None
    # the worst mean of a row is 2/3, the best 12
    slack = 0.1 * (12 - 2 / 3)
    widths = [
        good_decades(dict(zip(DECAYS, scores, strict=True)), slack, "higher")
        for scores in RETURNS["l2"]
    ]
    assert l2["good_decades"] == pytest.approx(statistics.mean(widths))
    half = t.ppf(0.975, 2) * statistics.stdev(widths) / 3**0.5
    assert l2["good_decades_high"] == pytest.approx(statistics.mean(widths) + half)
    # as the best: within 1 % of 12, of which nothing but the slopes beside the best one is
    steepest = [(0.12 / 2 + 0.12 / 12), (0.12 / 4 + 0.12 / 10), (0.12 / 2 + 0.12 / 11)]
    assert l2["best_decades"] == pytest.approx(statistics.mean(steepest))
    assert (decoupled["good_decades"], decoupled["good_decades_low"]) == (pytest.approx(2), None)


def test_fewer_lambdas_have_no_table(tmp_path):
    runs = [game_run(tmp_path, "Pong", "l2", decay, 0, [1.0]) for decay in DECAYS[:2]]
    assert tuning_table(grid_of(runs), RETURN, "tuning", decimals=None) is None
