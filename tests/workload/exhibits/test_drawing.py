"""What all figures have in common: broken titles, whole curves, no figure without values."""

import pytest
from matplotlib.figure import Figure

from rl.exhibits.returns import evaluation_returns, training_returns
from rl.exhibits.table_1 import BJORCK
from rl.metrics import RETURN
from tests.suite.results.runs import game_run, grid_of, inside
from tests.workload.exhibits.drawn import figures, panels
from tests.workload.exhibits.pong import RETURNS
from workload.exhibits import drawing
from workload.exhibits.drawing import logarithmic, picture, titles, typography
from workload.exhibits.lambda_sweep import lambda_sweep
from workload.exhibits.optimizer_figures import norm_figure, quantile_figure


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


def test_without_a_value_there_is_no_figure(tmp_path):
    grid = grid_of([game_run(tmp_path, "Pong", "none", 0.0, 0, [], "unfinished")])
    with figures() as found:
        assert evaluation_returns(grid, "Pong") is None
        assert quantile_figure(grid, "Pong", "quantiles") is None
        assert norm_figure(grid, "norms") is None
        assert lambda_sweep(grid, RETURN, "stability", published=BJORCK) is None
    assert found == {}


@pytest.mark.parametrize(
    ("limits", "labels"),
    [
        ((0.0005, 20000), ["0.001", "0.01", "0.1", "1", "10", "100", "1000", "10000"]),
        ((2e-7, 0.3), ["1e-6", "1e-5", "0.0001", "0.001", "0.01", "0.1"]),
        ((15, 45), ["20", "30", "40"]),
    ],
)
def test_logarithmic_axes_have_numbers_not_formulas(limits, labels):
    with typography():
        figure, (panel,) = drawing.panels(1, 1, 4.0)
        logarithmic(panel, "y")
        panel.set_ylim(*limits)
        figure.canvas.draw()
        low, high = limits
        shown = [
            label.get_text()
            for label in panel.get_yticklabels(which="both")
            if low <= label.get_position()[1] <= high and label.get_text()
        ]
    assert sorted(shown, key=float) == labels


def test_one_far_value_leaves_a_figure_readable_and_the_caption_says_so():
    figure = Figure()
    axes, other = figure.subplots(1, 2, sharey=True)
    for level in range(10):
        axes.plot([0, 1, 2], [10.0 + level, 11.0 + level, 12.0 + level])
    other.plot([0, 1], [15.0, 1e24])
    found = picture("name", "title", "Caption.", figure)
    for one in (axes, other):
        low, high = one.get_ylim()
        assert 8 < low < 10
        assert 21 < high < 23
    assert found.caption == "Caption. Beyond the axes, and not shown: values up to 1e24."


def test_values_of_one_kind_are_all_shown():
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1, 2, 3], [-21.0, -21.0, 5.0, 400.0])
    before = axes.get_ylim()
    assert picture("name", "title", "Caption.", figure).caption == "Caption."
    assert axes.get_ylim() == before
