"""Runs as rows and columns, and what a cell comes to."""

import statistics

import pytest

from suite.runs.directory import Run
from tests.suite.results.runs import edit_json, game_run, grid_of, translation_run
from tests.suite.run_files import finish, make_translation
from workload.exhibits.grid import Row, Summary

KEY = "eval/return"


def test_rows_stand_as_in_the_paper_none_first_then_from_the_largest_lambda_down(tmp_path):
    cells = [("none", 0.0), ("l2", 1e-6)]
    papers = ("l2", "decoupled", "separated")
    cells += [(scheme, decay) for scheme in papers for decay in (1e-4, 1e-3)]
    grid = grid_of([game_run(tmp_path, "Pong", *cell, 0, [1.0]) for cell in cells])
    assert [(row.scheme, row.decay) for row in grid.rows] == [
        ("none", "-"),
        *(("l2", "1e-3"), ("decoupled", "1e-3"), ("separated", "1e-3")),
        *(("l2", "1e-4"), ("decoupled", "1e-4"), ("separated", "1e-4")),
        ("l2", "1e-6"),
    ]


def test_games_stand_in_alphabetical_order_and_seeds_by_number(tmp_path):
    places = [("Pong", 10), ("Enduro", 1), ("Pong", 2), ("Breakout", 0), ("Pong", 9)]
    grid = grid_of([game_run(tmp_path, game, "none", 0.0, seed, [1.0]) for game, seed in places])
    assert grid.tasks == ("Breakout", "Enduro", "Pong")
    assert [run.member.seed for run in grid.at(grid.rows[0], "Pong")] == [2, 9, 10]


def test_recipes_that_differ_are_rows_of_their_own(tmp_path):
    runs = [
        game_run(tmp_path, "Pong", "l2", 1e-3, 0, [1.0]),
        game_run(tmp_path, "Pong", "l2", 1e-3, 0, [1.0], decay_schedule="early:100"),
        game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0]),
    ]
    grid = grid_of(runs)
    assert grid.keys == ("decay_schedule",)
    assert [row.label(grid.keys) for row in grid.rows] == [
        "none decay_schedule=always",
        "l2 1e-3 decay_schedule=always",
        "l2 1e-3 decay_schedule=early:100",
    ]


def test_a_key_without_a_value_is_not_in_a_label():
    row = Row("none", 0.0, "-", ("", "early:100"))
    assert row.label(("match_norms", "decay_schedule")) == "none decay_schedule=early:100"


def test_a_schedule_is_compared_with_the_same_none_another_recipe_with_its_own(tmp_path):
    runs = [
        game_run(tmp_path, "Pong", "l2", 1e-3, 0, [1.0], decay_schedule="early:100"),
        game_run(tmp_path, "Pong", "l2", 1e-3, 0, [1.0], n_step=9),
        game_run(tmp_path, "Pong", "l2", 1e-3, 0, [1.0], gamma=0.5),
        game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0]),
        game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0], n_step=9),
    ]
    grid = grid_of(runs)
    places = {key: place for place, key in enumerate(grid.keys)}

    def partner(key, value):
        (row,) = (r for r in grid.rows if r.scheme == "l2" and r.extras[places[key]] == value)
        return grid.partner(row)

    assert partner("decay_schedule", "early:100").extras[places["n_step"]] == "1"
    assert partner("n_step", "9").extras[places["n_step"]] == "9"
    assert partner("gamma", "0.5") is None
    assert all(grid.partner(row) is None for row in grid.rows if row.scheme == "none")


@pytest.mark.parametrize("scores", [(1.0, 4.0, 7.5), (-20.5, -20.0), (3.0, 3.0, 3.0, 4.0)])
def test_a_cell_is_the_mean_and_the_sample_deviation_over_seeds(scores):
    summary = Summary(scores, len(scores), 0, len(scores))
    assert summary.mean == pytest.approx(statistics.mean(scores), abs=1e-12)
    assert summary.deviation == pytest.approx(statistics.stdev(scores), abs=1e-12)


def test_one_seed_has_no_deviation_and_none_has_no_mean():
    assert (Summary((5.0,), 1, 0, 1).mean, Summary((5.0,), 1, 0, 1).deviation) == (5.0, None)
    assert (Summary((), 3, 1, 3).mean, Summary((), 3, 1, 3).deviation) == (None, None)


def test_a_cell_counts_all_seeds_and_takes_the_mean_of_the_finished(tmp_path):
    status = ["finished", "diverged", "failed", "unfinished", "finished"]
    runs = [
        game_run(tmp_path, "Pong", "l2", 1e-3, seed, [10.0 * seed], status=status[seed])
        for seed in range(5)
    ]
    grid = grid_of(runs)
    summary = grid.summary(grid.rows[0], "Pong", KEY)
    assert summary.scores == (0.0, 40.0)
    assert summary.seeds == "2/5, 1 diverged"


def test_a_cell_without_a_run_is_empty(tmp_path):
    runs = [
        game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0]),
        game_run(tmp_path, "Breakout", "l2", 1e-3, 0, [1.0]),
    ]
    grid = grid_of(runs)
    summary = grid.summary(grid.rows[0], "Breakout", KEY)
    assert (summary.scores, summary.present) == ((), 0)
    assert [row.scheme for row in grid.rows_of("Breakout")] == ["l2"]


def test_corpora_go_by_their_last_name(tmp_path):
    runs = [
        translation_run(tmp_path, data, "none", 0.0, seed, (30.0, 31.0))
        for seed, data in enumerate(("mine/news", "news", "talks/ted"))
    ]
    assert grid_of(runs).tasks == ("news", "ted")


def test_corpora_of_older_runs_go_by_their_folders_where_the_last_name_is_not_enough(tmp_path):
    runs = []
    for seed, data in enumerate(("mine/news", "yours/news", "talks/ted")):
        run = translation_run(tmp_path, data, "none", 0.0, seed, (30.0, 31.0))
        edit_json(run.path / "config.json", recipe=run.config["recipe"] | {"data": data})
        runs.append(Run.at(run.path))
    assert grid_of(runs).tasks == ("mine/news", "ted", "yours/news")


HOSTILE = [
    "<script>alert(1)</script>",
    "a|b$x_1$",
    "..",
    "///",
    "a b",
    "a_b",
    "ä",
    "x" * 300,
    "a\nb",
]


def test_every_corpus_has_a_file_name_of_its_own_that_is_one(tmp_path):
    runs = []
    for place, data in enumerate(HOSTILE):
        run = make_translation(tmp_path, seed=place, data=f"corpus{place}")
        edit_json(run.path / "config.json", recipe=run.config["recipe"] | {"data": data})
        finish(run)
        runs.append(Run.at(run.path))
    grid = grid_of(runs)
    names = [grid.file_name(subject) for subject in grid.tasks]
    assert len(set(names)) == len(HOSTILE)
    letters = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
    assert all(set(name) <= letters and len(name) < 60 for name in names)
