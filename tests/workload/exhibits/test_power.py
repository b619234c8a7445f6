"""The smallest effect that a t test with a few runs shows."""

import math
import statistics

import numpy as np
import pytest
from scipy.stats import ttest_ind

from workload.exhibits.power import pooled_deviation, smallest_effect


@pytest.mark.parametrize(("runs", "effect"), [(3, 3.07), (5, 2.02), (10, 1.32), (64, 0.5)])
def test_it_is_the_tabled_effect_of_80_percent_power(runs, effect):
    """3, 5, 10: statsmodels' TTestIndPower; 64 per group for d = 0.5: Cohen 1988, table 2.4.1."""
    assert smallest_effect(runs) == pytest.approx(effect, abs=0.005)


@pytest.mark.parametrize("runs", [2, 3, 5])
def test_at_this_effect_four_of_five_experiments_reject_equality(runs):
    repetitions = 20_000
    random = np.random.default_rng(runs)
    x = random.normal(smallest_effect(runs), 1, size=(repetitions, runs))
    y = random.normal(0, 1, size=(repetitions, runs))
    power = np.mean(ttest_ind(x, y, axis=1).pvalue < 0.05)
    assert power == pytest.approx(0.8, abs=3 * math.sqrt(0.8 * 0.2 / repetitions))


@pytest.mark.parametrize("runs", [0, 1])
def test_fewer_than_two_runs_show_nothing(runs):
    with pytest.raises(ValueError, match=f"{runs} runs"):
        smallest_effect(runs)


def test_the_pooled_deviation_is_that_of_the_residuals_from_each_groups_mean():
    groups = [[1.0, 2.0, 4.0], [10.0, 10.5], [3.0, 3.5, 5.0, 9.0], [7.0]]
    residuals = [x - statistics.mean(group) for group in groups for x in group]
    freedom = sum(map(len, groups)) - len(groups)
    expected = math.sqrt(sum(r * r for r in residuals) / freedom)
    deviations = [statistics.stdev(group) if len(group) > 1 else 0.0 for group in groups]
    found = pooled_deviation(deviations, [len(group) for group in groups])
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("runs", [[], [1], [1, 1]])
def test_groups_of_one_run_have_no_deviation(runs):
    assert pooled_deviation([0.0] * len(runs), runs) is None
