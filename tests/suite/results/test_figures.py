"""What the figures draw: the means, ranges and levels of the runs, and the published points."""

import math
import statistics

import numpy as np
import pytest

from nlp.exhibits.bleu_curves import bleu_figure
from rl.exhibits.aggregates import Normalised
from rl.exhibits.profile import profile_figure
from rl.exhibits.returns import evaluation_returns, training_returns
from rl.exhibits.table_1 import BJORCK
from rl.metrics import RETURN
from tests.suite.results.runs import game_run, grid_of, inside, translation_run
from tests.workload.exhibits.drawn import figures, legend_texts, lines, panels
from workload.exhibits.drawing import titles
from workload.exhibits.lambda_sweep import lambda_sweep
from workload.exhibits.optimizer_figures import norm_figure, quantile_figure

RETURNS = {
    ("none", 0.0): [[1.0, 2.0, 3.0], [3.0, 4.0, 8.0]],
    ("l2", 1e-3): [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]],
    ("l2", 1e-4): [[2.0, 2.0, 2.0], [2.0, 4.0, 6.0]],
    ("separated", 1e-3): [[5.0, 6.0, 7.0], [5.0, 8.0, 9.0]],
}
STEPS = [1000, 2000, 3000]
SHIFTS = {("none", 0.0): -3.0, ("l2", 1e-3): 1.0, ("l2", 1e-4): 2.0, ("separated", 1e-3): -4.0}


def metrics(place, seed):
    return [inside(step, 10.0 * (seed + 1) * step, SHIFTS[place] + seed) for step in STEPS]


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """Four rows of two seeds on Pong."""
    folder = tmp_path_factory.mktemp("runs")
    runs = [
        game_run(folder, "Pong", *place, seed, returns, rows=metrics(place, seed))
        for place, both in RETURNS.items()
        for seed, returns in enumerate(both)
    ]
    return grid_of(runs)


def means(*places):
    return [
        [statistics.mean(pair) for pair in zip(*RETURNS[place], strict=True)] for place in places
    ]


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
    mean, cross = lines(axes)
    assert mean == (STEPS, [4.0, 5.0, 3.0])
    assert cross == ([2500], [8.0])
    assert "Cross: a run diverged." in caption
    assert "diverged" in legend_texts(found["learning_evaluation_Pong"])


def test_without_a_value_there_is_no_figure(tmp_path):
    grid = grid_of([game_run(tmp_path, "Pong", "none", 0.0, 0, [], "unfinished")])
    with figures() as found:
        assert evaluation_returns(grid, "Pong") is None
        assert quantile_figure(grid, "Pong", "quantiles") is None
        assert norm_figure(grid, "norms") is None
        assert lambda_sweep(grid, RETURN, "stability", published=BJORCK) is None
    assert found == {}


def test_quantiles_are_the_median_over_seeds_and_l2_has_its_lambda(grid):
    with figures() as found:
        quantile_figure(grid, "Pong", "quantiles")
    drawn = panels(found["quantiles"])
    assert list(drawn) == ["none", "l2 1e-3", "separated 1e-3", "l2 1e-4"]
    for (scheme, decay), title in zip(
        [("none", 0.0), ("l2", 1e-3), ("separated", 1e-3), ("l2", 1e-4)], drawn, strict=True
    ):
        middle, *dotted = lines(drawn[title])
        # q50 is -9 with the row's shift, and one more for the second seed
        assert middle == (STEPS, [-9.0 + SHIFTS[scheme, decay] + 0.5] * 3)
        levels = [y for _, y in dotted]
        assert levels == ([[math.log(decay)] * 2] if scheme == "l2" else [])
        bottom, top = drawn[title].collections[0].get_paths()[0].get_extents().get_points()[:, 1]
        assert (bottom, top) == pytest.approx(
            (-20 + SHIFTS[scheme, decay] + 0.5, -3 + SHIFTS[scheme, decay] + 0.5)
        )


def test_a_schedule_has_no_level_that_m_would_come_down_to(tmp_path):
    run = game_run(
        *(tmp_path, "Pong", "l2", 1e-3, 0, [1.0]),
        rows=metrics(("l2", 1e-3), 0),
        decay_schedule="early:100",
    )
    with figures() as found:
        quantile_figure(grid_of([run]), "Pong", "quantiles")
    (axes,) = panels(found["quantiles"]).values()
    assert len(axes.get_lines()) == 1


def test_weight_norms_are_means_on_a_logarithmic_axis(grid):
    with figures() as found:
        norm_figure(grid, "norms")
    drawn = panels(found["norms"])
    assert list(drawn) == ["Pong: l2", "Pong: separated"]
    for axes in drawn.values():
        assert axes.get_yscale() == "log"
        for line in lines(axes):
            assert line == (STEPS, [15.0 * step for step in STEPS])


@pytest.mark.parametrize("longest", range(4))
def test_no_panel_cuts_off_a_run_that_is_longer_than_another(tmp_path, longest):
    """The evaluations of one of four rows go on for three times as long."""
    runs = [
        game_run(
            tmp_path,
            "Pong",
            *place,
            0,
            [1.0] * (9 if number == longest else 3),
            rows=[inside(1000 * (9 if number == longest else 3))],
        )
        for number, place in enumerate(RETURNS)
    ]
    with figures() as found:
        evaluation_returns(grid_of(runs), "Pong")
        training_returns(grid_of(runs), "Pong")
        quantile_figure(grid_of(runs), "Pong", "quantiles")
        norm_figure(grid_of(runs), "norms")
    for figure in found.values():
        limits = {axes.get_xlim() for axes in panels(figure).values()}
        assert len(limits) == 1
        ((low, high),) = limits
        assert low == 0
        assert high >= 9000


def test_the_score_stands_over_lambda_with_deviations_and_the_papers_points(grid):
    with figures() as found:
        lambda_sweep(grid, RETURN, "stability", published=BJORCK)
    axes = panels(found["stability"])["Pong"]
    assert axes.get_xscale() == "log"
    final = {
        place: [statistics.mean(returns) for returns in both] for place, both in RETURNS.items()
    }
    l2, separated = axes.containers
    for container, places in (
        (l2, [("l2", 1e-4), ("l2", 1e-3)]),
        (separated, [("separated", 1e-3)]),
    ):
        line, _, (vertical,) = container.lines
        assert line.get_xdata().tolist() == [decay for _, decay in places]
        assert line.get_ydata().tolist() == pytest.approx(
            [statistics.mean(final[place]) for place in places]
        )
        for segment, place in zip(vertical.get_segments(), places, strict=True):
            mean, deviation = statistics.mean(final[place]), statistics.stdev(final[place])
            assert segment[:, 1].tolist() == pytest.approx([mean - deviation, mean + deviation])
    level = statistics.mean(final["none", 0.0])
    points = lines(axes)
    assert ([0, 1], [level, level]) in points
    assert ([1e-4], [-14]) in points  # the paper's l2 on Pong; its -27 at 1e-3 is a misprint
    assert not any(22 in y for _, y in points)  # as its separated is


def test_the_papers_points_are_in_the_legend_where_it_has_any(tmp_path):
    """The paper has 1e-4 and not 3e-4; at 1e-3 it has a misprint."""
    for decay, said in ((1e-4, True), (3e-4, False), (1e-3, False)):
        places = [("none", 0.0), ("l2", decay)]
        runs = [game_run(tmp_path / f"{decay}", "Pong", *place, 0, [1.0]) for place in places]
        with figures() as found:
            picture = lambda_sweep(grid_of(runs), RETURN, "stability", published=BJORCK)
        assert ("the paper's" in legend_texts(found["stability"])) is said
        assert ("Hollow: Table 1" in picture.caption) is said


@pytest.mark.parametrize(
    ("label", "lines"),
    [
        ("none", ["none"]),
        ("separated 1e-3", ["separated 1e-3"]),
        ("l2 1e-3 decay_schedule=early:1000000", ["l2 1e-3", "decay_schedule=", "early:1000000"]),
        ("l2 1e-3 gamma=0.5 n_step=3", ["l2 1e-3 gamma=0.5", "n_step=3"]),
        ("x" * 45, ["x" * 20, "x" * 20, "x" * 5]),
    ],
)
def test_titles_are_broken_between_words_to_the_width_of_a_panel(label, lines):
    """Four panels on 6.42 inches of 13 letters each: 20 letters."""
    broken, most = titles([label, "none"], 4)
    assert broken == ["\n".join(lines), "none"]
    assert most == len(lines)


def test_the_profile_falls_from_one_to_zero_at_the_runs_scores(grid):
    with figures() as found:
        profile_figure(grid, Normalised.of(grid))
    for scheme, axes in panels(found["performance_profile"]).items():
        rows = [("none", 0.0), *(place for place in RETURNS if place[0] == scheme)]
        for (taus, shares), place in zip(lines(axes), rows, strict=True):
            scores = [(statistics.mean(r) + 20.7) / (14.6 + 20.7) for r in RETURNS[place]]
            assert shares == [sum(score > tau for score in scores) / 2 for tau in taus]
            assert (shares[0], shares[-1]) == (1, 0)


def test_bleu_stands_over_epochs_a_panel_per_lambda(tmp_path):
    places = [("none", 0.0), ("l2", 1e-3), ("decoupled", 1e-3), ("decoupled", 1e-4)]
    runs = [
        translation_run(tmp_path, "iwslt14", *place, seed, (30.0 + 3 * i + 6 * seed, 30.0))
        for i, place in enumerate(places)
        for seed in (0, 1)
    ]
    with figures() as found:
        bleu_figure(grid_of(runs), "iwslt14", "bleu")
    drawn = panels(found["bleu"])
    lamda = "\N{GREEK SMALL LETTER LAMDA}"
    assert list(drawn) == [f"{lamda} 1e-3", f"{lamda} 1e-4"]
    for title, indices in zip(drawn, [(0, 1, 2), (0, 3)], strict=True):
        # each seed rises in thirds to its BLEU; the mean of both is 33 + 3 i
        expected = [([1, 2, 3], [(33 + 3 * i) * epoch / 3 for epoch in (1, 2, 3)]) for i in indices]
        for (x, y), (epochs, values) in zip(lines(drawn[title]), expected, strict=True):
            assert x == epochs
            assert y == pytest.approx(values)
    assert legend_texts(found["bleu"]) == ["none", "l2", "decoupled"]


def test_bleu_of_another_recipe_stands_apart_with_its_own_none(tmp_path):
    settings = [("none", 0.0, 4_000), ("none", 0.0, 200), ("l2", 1e-3, 200), ("none", 0.0, 90)]
    runs = [
        translation_run(tmp_path, "iwslt14", scheme, decay, 0, (30.0 + i, 30.0), warm_up=warm_up)
        for i, (scheme, decay, warm_up) in enumerate(settings)
    ]
    with figures() as found:
        bleu_figure(grid_of(runs), "iwslt14", "bleu")
    last = {
        " ".join(title.split()): [y[-1] for _, y in lines(axes)]
        for title, axes in panels(found["bleu"]).items()
    }
    assert last == {
        "\N{GREEK SMALL LETTER LAMDA} 1e-3 warm_up=200": [31.0, 32.0],
        "none warm_up=4000": [30.0],
        "none warm_up=90": [33.0],
    }


def test_a_single_seed_and_a_single_point_are_seen(tmp_path):
    run = game_run(tmp_path, "Pong", "none", 0.0, 0, [4.0])
    with figures() as found:
        evaluation_returns(grid_of([run]), "Pong")
    (axes,) = panels(found["learning_evaluation_Pong"]).values()
    (line,) = axes.get_lines()
    assert np.asarray(line.get_xydata()).tolist() == [[1000, 4]]
    assert line.get_marker() not in ("", "None", None)
