"""Curves of several seeds on one axis."""

import math

import numpy as np

from tests.suite.results.runs import game_run, grid_of, inside
from tests.suite.run_files import finish, make_run
from workload.exhibits.series import by_round, by_step

NORM = "optim/weight_norm"


def records(tmp_path, runs):
    """The records of runs with `none` on Pong: lists of evaluations and of metrics per seed."""
    made = []
    for seed, (evaluations, rows) in enumerate(runs):
        run = make_run(tmp_path, seed=seed, scores=evaluations, rows=rows)
        finish(run)
        made.append(run)
    ((_, found),) = grid_of(made).runs.items()
    return found


def evaluation(iteration, at, score):
    return {"iteration": iteration, "agent_steps": at, "eval/return": score}


def norms(steps, values):
    return [{"agent_steps": step, NORM: value} for step, value in zip(steps, values, strict=True)]


def same(found, expected):
    """Equal numbers, and None where there is nan."""
    assert found.shape == np.shape(expected)
    for ours, wanted in zip(found.ravel(), np.array(expected, dtype=object).ravel(), strict=True):
        assert math.isnan(ours) if wanted is None else math.isclose(ours, wanted)


def test_iterations_are_put_together_by_their_number_not_by_their_step(tmp_path):
    long = [evaluation(i, at, score) for i, at, score in [(0, 100, 1), (1, 204, 2), (2, 301, 3)]]
    short = [evaluation(0, 104, 5), evaluation(1, 200, 6)]
    curves = by_round(records(tmp_path, [(long, []), (short, [])]), "eval/return", "agent_steps")
    assert curves.x.tolist() == [(100 + 104) / 2, (204 + 200) / 2, 301]
    same(curves.y, [[1, 2, 3], [5, 6, None]])


def test_an_iteration_without_a_value_takes_no_part_in_the_mean_step(tmp_path):
    whole = [evaluation(0, 100, 1.0), evaluation(1, 200, 2.0)]
    gap = [evaluation(0, 140, None), evaluation(1, 240, 3.0)]
    curves = by_round(records(tmp_path, [(whole, []), (gap, [])]), "eval/return", "agent_steps")
    assert curves.x.tolist() == [100, 220]
    same(curves.y, [[1, 2], [None, 3]])


def test_without_a_value_there_is_no_curve(tmp_path):
    found = records(tmp_path, [([evaluation(0, 100, None)], [{"agent_steps": 5}])])
    assert by_round(found, "eval/return", "agent_steps") is None
    assert by_step(found, NORM) is None


def test_metrics_are_interpolated_to_the_steps_of_the_seed_with_most_rows(tmp_path):
    # 4 x at x = 10, 30, 50 is a straight line: interpolation gives 4 x everywhere
    many = norms([10, 20, 30, 40, 50], [1, 4, 9, 16, 25])
    few = norms([10, 30, 50], [40, 120, 200])
    curves = by_step(records(tmp_path, [([], few), ([], many)]), NORM)
    assert curves.x.tolist() == [10, 20, 30, 40, 50]
    same(curves.y, [[40, 80, 120, 160, 200], [1, 4, 9, 16, 25]])


def test_nothing_is_drawn_beyond_a_seeds_own_rows(tmp_path):
    many = norms([10, 20, 30, 40, 50], [1, 1, 1, 1, 1])
    early = norms([10, 20], [7, 7])
    late = norms([40, 50], [8, 8])
    curves = by_step(records(tmp_path, [([], many), ([], early), ([], late)]), NORM)
    same(curves.y[1], [7, 7, None, None, None])
    same(curves.y[2], [None, None, None, 8, 8])


def test_a_seed_that_ends_a_few_steps_before_the_others_reaches_as_far(tmp_path):
    many = norms([10, 20, 30, 40], [1, 1, 1, 1])
    close = norms([12, 22, 37], [5, 6, 7])
    curves = by_step(records(tmp_path, [([], many), ([], close)]), NORM)
    same(curves.y[1], [5, 5.8, 6 + 8 / 15, 7])


def test_rows_that_stand_still_have_their_value(tmp_path):
    curves = by_step(records(tmp_path, [([], norms([5, 5], [2, 2]))]), NORM)
    same(curves.y, [[2, 2]])


def test_a_single_row_of_one_seed_is_a_point(tmp_path):
    runs = [game_run(tmp_path, "Pong", "none", 0.0, s, [], rows=[inside(7, s)]) for s in (1, 2)]
    ((_, found),) = grid_of(runs).runs.items()
    curves = by_step(found, NORM)
    assert curves.x.tolist() == [7]
    same(curves.y, [[1], [2]])
