"""The smallest effect that a t test with a few runs shows."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_ind

from workload.exhibits.power import common_deviation, smallest_effect


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


def test_the_common_deviation_is_that_of_groups_that_have_one():
    random = np.random.default_rng(0)
    groups = [random.normal(0, 3, size=size) for size in (2, 3, 5) for _ in range(2000)]
    deviations = [float(np.std(group, ddof=1)) for group in groups]
    found = common_deviation(deviations, list(map(len, groups)))
    assert found == pytest.approx(3, rel=0.03)


def test_one_group_of_another_spread_moves_it_little():
    random = np.random.default_rng(1)
    deviations = [float(np.std(random.normal(size=3), ddof=1)) for _ in range(12)]
    alone = common_deviation(deviations, [3] * 12)
    assert common_deviation([*deviations, 1e24], [3] * 13) < 1.5 * alone


def test_of_one_group_of_three_by_hand():
    """chi^2 with 2 degrees of freedom has the median 2 ln 2: s^2 = 4 becomes 4 x 2 / (2 ln 2)."""
    assert common_deviation([2.0], [3]) == pytest.approx(math.sqrt(4 / math.log(2)), rel=1e-9)
