"""Returns over agent steps: means and ranges of the runs, and Dopamine's points."""

import numpy as np
import pytest

from rl.exhibits.returns import evaluation_returns, training_returns
from tests.suite.results.runs import game_run, grid_of
from tests.workload.exhibits.drawn import figures, legend_texts, lines, panels
from tests.workload.exhibits.pong import RETURNS, STEPS, means, pong_grid


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    return pong_grid(tmp_path_factory.mktemp("runs"))


def test_a_learning_curve_is_the_mean_over_seeds_in_a_panel_per_scheme(grid):
    with figures() as found:
        evaluation_returns(grid, "Pong")
    drawn = panels(found["learning_evaluation_Pong"])
    assert list(drawn) == ["l2", "separated"]
    expected = {
        "l2": means(("none", 0.0), ("l2", 1e-3), ("l2", 1e-4)),
        "separated": means(("none", 0.0), ("separated", 1e-3)),
    }
    for scheme, axes in drawn.items():
        assert lines(axes) == [(STEPS, values) for values in expected[scheme]]
    legend = legend_texts(found["learning_evaluation_Pong"])
    assert legend == [
        "none",
        "\N{GREEK SMALL LETTER LAMDA} 1e-3",
        "\N{GREEK SMALL LETTER LAMDA} 1e-4",
    ]


def test_the_band_reaches_from_the_lowest_to_the_highest_seed(grid):
    with figures() as found:
        evaluation_returns(grid, "Pong")
    axes = panels(found["learning_evaluation_Pong"])["separated"]
    outline = {tuple(point) for point in axes.collections[1].get_paths()[0].vertices.tolist()}
    for step, values in zip(STEPS, zip(*RETURNS["separated", 1e-3], strict=True), strict=True):
        assert {(step, min(values)), (step, max(values))} <= outline


def test_training_returns_have_a_figure_of_their_own(grid):
    with figures() as found:
        training_returns(grid, "Pong")
    (axes, _) = panels(found["learning_training_Pong"]).values()
    assert lines(axes)[0] == (STEPS, [10 * value for value in means(("none", 0.0))[0]])


def test_dopamines_points_are_drawn_as_far_as_our_runs_have_come(tmp_path):
    """Pong at iterations 1, 10 and 50 of 250,000 steps; ours end after the tenth."""
    returns = [-20.0 + i for i in range(10)]
    run = game_run(tmp_path, "Pong", "none", 0.0, 0, returns, iterations=10, training_steps=250_000)
    rows = (run.path / "eval.jsonl").read_text()
    for place in range(10, 0, -1):
        rows = rows.replace(f'"agent_steps": {1000 * place},', f'"agent_steps": {250_000 * place},')
    (run.path / "eval.jsonl").write_text(rows)
    with figures() as found:
        captions = [
            draw(grid_of([run]), "Pong").caption for draw in (evaluation_returns, training_returns)
        ]
    ours, *theirs = lines(panels(found["learning_training_Pong"])["none"])
    assert ours == ([250_000 * i for i in range(1, 11)], [10 * value for value in returns])
    assert [x for x, _ in theirs] == [[250_000, 2_500_000]] * 3
    assert [y for _, y in theirs] == [[-20.349, -4.926], [-20.19, 6.338], [-20.191, 1.124]]
    assert len(lines(panels(found["learning_evaluation_Pong"])["none"])) == 1
    assert "Open markers: Dopamine's" in captions[1]
    names = ("Dopamine 2018 (RMSProp, Huber)", "Dopamine 2021 (Adam, MSE)")
    assert {*names, "Dopamine 2024 (Adam, MSE)"} < set(
        legend_texts(found["learning_training_Pong"])
    )


def test_a_run_that_diverged_is_a_cross_where_it_ended(tmp_path):
    runs = [
        game_run(tmp_path, "Pong", "l2", 1e-3, 0, [1.0, 2.0, 3.0]),
        game_run(tmp_path, "Pong", "l2", 1e-3, 1, [7.0, 8.0], "diverged"),
    ]
    with figures() as found:
        caption = evaluation_returns(grid_of(runs), "Pong").caption
    (axes,) = panels(found["learning_evaluation_Pong"]).values()
    mean, fewer, cross = lines(axes)
    assert mean == (STEPS[:2], [4.0, 5.0])
    assert fewer == (STEPS[1:], [5.0, 3.0])  # one seed of two
    drawn, pale, _ = axes.get_lines()
    assert pale.get_alpha() < 0.5
    assert pale.get_linewidth() < drawn.get_linewidth()
    assert "thin and pale where fewer have come so far" in caption
    assert cross == ([2500], [8.0])
    assert "Cross: a run diverged." in caption
    assert "diverged" in legend_texts(found["learning_evaluation_Pong"])


def test_a_single_seed_and_a_single_point_are_seen(tmp_path):
    run = game_run(tmp_path, "Pong", "none", 0.0, 0, [4.0])
    with figures() as found:
        evaluation_returns(grid_of([run]), "Pong")
    (axes,) = panels(found["learning_evaluation_Pong"]).values()
    (line,) = axes.get_lines()
    assert np.asarray(line.get_xydata()).tolist() == [[1000, 4]]
    assert line.get_marker() not in ("", "None", None)
