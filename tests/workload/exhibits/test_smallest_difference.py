"""The smallest difference that the seeds of a grid could show."""

import math
import statistics

import pytest

from nlp.metrics import BLEU
from rl.exhibits.dopamine_spread import DOPAMINE
from rl.metrics import RETURN
from tests.suite.results.runs import game_run, grid_of, records_of_table, translation_run
from workload.exhibits.smallest_difference import smallest_difference


def game_table(grid):
    """As the report of DQN has it."""
    name = "smallest_difference_games"
    return smallest_difference(grid, RETURN, name, decimals=None, published=DOPAMINE)


EFFECT = {2: 5.65, 3: 3.07, 5: 2.02}
"""d of a two-sided t test at 5 % with 80 % power, by runs on a side."""


def runs_of(folder, game, rows):
    """A run per score; rows are scheme, lambda and scores."""
    return [
        game_run(folder, game, scheme, decay, seed, [score])
        for scheme, decay, scores in rows
        for seed, score in enumerate(scores)
    ]


def test_it_is_the_effect_times_the_pooled_deviation(tmp_path):
    first, second = [10.0, 14.0, 12.0], [50.0, 41.0, 44.0]
    runs = runs_of(tmp_path, "Pong", [("none", 0.0, first), ("l2", 1e-3, second)])
    (record,) = records_of_table(game_table(grid_of(runs)))
    # the median of chi^2 with 2 degrees of freedom over 2 is ln 2
    between = statistics.median([statistics.variance(first), statistics.variance(second)])
    pooled = math.sqrt(between / math.log(2))
    mean = statistics.mean([*first, *second])
    assert record["n"] == 3
    assert record["pooled_standard_deviation"] == pytest.approx(pooled, rel=1e-12)
    assert record["smallest_difference"] == pytest.approx(EFFECT[3] * pooled, rel=2e-3)
    expected = EFFECT[3] * pooled / mean
    assert record["smallest_difference_relative"] == pytest.approx(expected, rel=2e-3)


def test_n_is_the_smallest_number_of_seeds_among_rows_that_have_a_deviation(tmp_path):
    rows = [
        ("none", 0.0, [1.0, 2.0, 3.0, 4.0, 5.0]),
        ("l2", 1e-3, [5.0, 6.0, 7.0]),
        ("decoupled", 1e-3, [100.0]),
    ]
    (record,) = records_of_table(game_table(grid_of(runs_of(tmp_path, "Pong", rows))))
    assert record["n"] == 3
    # variances 2.5 and 1, over the medians of chi^2 with 4 and 2 degrees of freedom, 3.3567 and
    # 1.3863, times these; the single run has none
    pooled = math.sqrt((2.5 * 4 / 3.3567 + 1 * 2 / 1.3863) / 2)
    assert record["pooled_standard_deviation"] == pytest.approx(pooled, rel=1e-4)
    assert record["smallest_difference"] == pytest.approx(EFFECT[3] * pooled, rel=2e-3)


def test_one_outlier_leaves_the_difference_of_the_others(tmp_path):
    rows = [("l2", 10.0**-k, [10.0 + k, 11.0, 12.0]) for k in range(2, 8)]
    (alone,) = records_of_table(game_table(grid_of(runs_of(tmp_path / "a", "Pong", rows))))
    rows.append(("decoupled", 1e-3, [1.0, 2.0, 1e6]))
    table = game_table(grid_of(runs_of(tmp_path / "b", "Pong", rows)))
    (record,) = records_of_table(table)
    assert record["smallest_difference_relative"] < 2 * alone["smallest_difference_relative"]
    assert table.rows[0][3].lines == ("577,349, decoupled 1e-3",)


def test_single_seeds_show_nothing(tmp_path):
    rows = [("none", 0.0, [1.0]), ("l2", 1e-3, [5.0])]
    table = game_table(grid_of(runs_of(tmp_path, "Pong", rows)))
    assert [cell.lines[0] for cell in table.rows[0]][:6] == ["Pong", "-", "-", "-", "-", "-"]
    assert records_of_table(table)[0]["smallest_difference"] is None


def test_seeds_that_do_not_differ_at_all_show_nothing(tmp_path):
    rows = [("none", 0.0, [-21.0, -21.0]), ("l2", 1e-3, [-21.0, -21.0])]
    (record,) = records_of_table(game_table(grid_of(runs_of(tmp_path, "Pong", rows))))
    assert (record["n"], record["pooled_standard_deviation"]) == (2, 0)
    assert record["smallest_difference"] is None


def test_a_mean_of_zero_has_no_per_cent(tmp_path):
    (record,) = records_of_table(
        game_table(grid_of(runs_of(tmp_path, "Pong", [("none", 0.0, [-1.0, 1.0])])))
    )
    assert record["smallest_difference_relative"] is None
    # variance 2 over .4549, the median of chi^2 with one degree of freedom
    expected = EFFECT[2] * math.sqrt(2 / 0.4549)
    assert record["smallest_difference"] == pytest.approx(expected, rel=2e-3)


def test_beside_it_stands_what_dopamines_spread_lets_three_seeds_show(tmp_path):
    """BeamRider, Dopamine 2024, last five iterations: 5816.023, standard deviation 248.288."""
    runs = runs_of(tmp_path, "BeamRider", [("none", 0.0, [1.0])])
    runs += runs_of(tmp_path, "Tetris", [("none", 0.0, [1.0])])
    table = game_table(grid_of(runs))
    beam, tetris = records_of_table(table)
    expected = EFFECT[3] * 248.288 / 5816.023
    assert beam["from_dopamine_spread_relative"] == pytest.approx(expected, rel=2e-3)
    assert tetris["from_dopamine_spread_relative"] is None
    assert table.rows[0][-1].lines == ("13 %",)
    assert table.rows[1][-1].lines == ("-",)


def test_games_that_dopamine_has_not_have_no_such_column(tmp_path):
    runs = runs_of(tmp_path, "Tetris", [("none", 0.0, [1.0, 2.0])])
    table = game_table(grid_of(runs))
    assert "from Dopamine's spread" not in table.head
    assert {len(row) for row in table.rows} == {len(table.head)}


def test_corpora_have_a_table_of_their_own(tmp_path):
    runs = [
        translation_run(tmp_path, "iwslt14", "none", 0.0, seed, (bleu, 0.0))
        for seed, bleu in enumerate([34.0, 35.0, 36.0])
    ]
    table = smallest_difference(grid_of(runs), BLEU, "smallest_difference_corpora", decimals=2)
    assert table.name == "smallest_difference_corpora"
    # 1 over the root of ln 2; times 3.07; of 35
    expected = ["iwslt14", "3", "1.20", "1.00, none", "3.69", "11 %"]
    assert [cell.lines[0] for cell in table.rows[0]] == expected
