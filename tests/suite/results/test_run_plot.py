"""Figures: what is drawn is what was logged."""

import numpy as np
import pytest
from PIL import Image

import suite.results.run_table
import suite.results.selection
from suite.__main__ import main
from suite.results.run_plot import STYLES, plot
from tests.suite.fake_training import metrics_row
from tests.suite.run_files import finish, make_run
from workload.errors import UserError

pytestmark = pytest.mark.slow


def make(tmp_path, *member, **options):
    rows = [metrics_row(1000, drowned=0.25), metrics_row(2000, drowned=0.5)]
    scores = [{"train/return": -20.0, "eval/return": -18.5}]
    return make_run(tmp_path, *member, rows=rows, scores=scores, **options)


def panel(figure, title):
    return next(axes for axes in figure.get_axes() if axes.get_title() == title)


@pytest.mark.slow
def test_curves_are_the_logged_values_over_agent_steps(tmp_path, figures):
    plot([make(tmp_path, "l2", 1e-3)], tmp_path / "out.png")
    (figure,) = figures
    (line,) = panel(figure, "gradient drowned by decay").lines
    assert line.get_xydata().tolist() == [[1000, 0.25], [2000, 0.5]]
    (line,) = panel(figure, "evaluation").lines
    assert line.get_xydata().tolist() == [[1000, -18.5]]


@pytest.mark.slow
def test_bands_reach_from_quantile_to_quantile(tmp_path, figures):
    plot([make(tmp_path, "l2", 1e-3)], tmp_path / "out.png")
    axes = panel(figures[0], "l2-1e-3 seed0")
    extents = [band.get_datalim(axes.transData).intervaly.tolist() for band in axes.collections]
    assert extents == [[-16, -8], [-14, -9], [-12, -10]]
    decay, median = axes.lines
    assert decay.get_ydata() == pytest.approx([np.log(1e-3)] * 2)
    assert median.get_ydata().tolist() == [-11, -11]


def test_several_runs_differ_in_colour_and_in_line_style(tmp_path, figures):
    schemes = [("none", 0.0), ("l2", 1e-3), ("decoupled", 1e-3), ("separated", 1e-3)]
    plot([make(tmp_path, *scheme) for scheme in schemes], tmp_path / "out.png")
    lines = panel(figures[0], "weight norm").lines
    assert len({line.get_color() for line in lines}) == 4
    assert len({line.get_linestyle() for line in lines}) == 4
    labels = [line.get_label() for line in lines]
    assert labels == ["none seed0", "l2-1e-3 seed0", "decoupled-1e-3 seed0", "separated-1e-3 seed0"]


def test_seeds_of_one_scheme_share_its_colour(tmp_path, figures):
    plot([make(tmp_path, "l2", 1e-3, seed) for seed in (0, 1)], tmp_path / "out.png")
    first, second = panel(figures[0], "weight norm").lines
    assert first.get_color() == second.get_color()
    assert [first.get_linestyle(), second.get_linestyle()] == list(STYLES[:2])


def test_a_diverged_run_is_marked(tmp_path, figures):
    run = make(tmp_path, "l2", 1e-3)
    finish(run, "diverged")
    plot([run], tmp_path / "out.png")
    curve, mark = panel(figures[0], "weight norm").lines
    assert curve.get_label() == "l2-1e-3 seed0 (diverged)"
    assert (mark.get_marker(), mark.get_xydata().tolist()) == ("X", [[2000, 30.0]])


def test_the_cross_stands_where_the_row_says_that_the_member_diverged(tmp_path, figures):
    rows = [metrics_row(1000), {"iteration": 0, "agent_steps": 1800, "diverged": True}]
    plot([make_run(tmp_path, "l2", 1e-3, rows=rows)], tmp_path / "out.png")
    curve, cross = panel(figures[0], "weight norm").lines
    assert curve.get_label() == "l2-1e-3 seed0 (diverged)"
    assert (cross.get_marker(), cross.get_xydata().tolist()) == ("X", [[1800, 30.0]])


def test_a_run_that_diverged_before_its_first_figures_is_in_the_legend(tmp_path, figures):
    early = make_run(tmp_path, "l2", 1e-3, rows=[{"agent_steps": 300, "diverged": True}])
    silent = make_run(tmp_path, "separated", 1e-3)
    for run in (early, silent):
        finish(run, "diverged")
    plot([make(tmp_path), early, silent], tmp_path / "out.png")
    plot([silent], tmp_path / "alone.png")
    axes = panel(figures[0], "weight norm")
    assert axes.get_legend_handles_labels()[1] == [
        "none seed0",
        "l2-1e-3 seed0 (diverged)",
        "separated-1e-3 seed0 (diverged)",
    ]
    crosses = [line.get_xydata().tolist() for line in axes.lines if line.get_marker() == "X"]
    assert crosses == [[[300, 0]]]


def test_runs_of_several_games_say_which(tmp_path, figures):
    runs = [make(tmp_path, game="Pong"), make(tmp_path, game="Breakout")]
    plot(runs, tmp_path / "out.png")
    labels = [line.get_label() for line in panel(figures[0], "weight norm").lines]
    assert labels == ["Pong none seed0", "Breakout none seed0"]


def test_twelve_runs_fit_into_one_image(tmp_path):
    runs = [make(tmp_path, "l2", decay, s) for decay in (1e-3, 1e-4, 1e-5) for s in range(4)]
    image = Image.open(plot(runs, tmp_path / "out.png"))
    assert image.size[0] == 13 * 120  # inches and dots per inch
    assert np.asarray(image.convert("L")).std() > 10


@pytest.mark.slow
@pytest.mark.filterwarnings("error")  # matplotlib gives up when panels have no room
def test_the_legend_of_many_runs_leaves_the_panels_their_height(tmp_path, figures):
    settings = [{"gamma": g, "warm_up": w} for g in (0.9, 0.8) for w in range(300, 332, 4)]
    runs = [make(tmp_path, "l2", 1e-3, **setting) for setting in settings]
    plot(runs[:2], tmp_path / "few.png")
    plot(runs, tmp_path / "many.png")

    def inches(figure):
        figure.draw_without_rendering()
        norm = panel(figure, "weight norm")
        return norm.get_window_extent().height / figure.dpi

    few, many = map(inches, figures)
    assert many == pytest.approx(few, rel=0.2)


@pytest.mark.filterwarnings("error")
def test_of_a_great_many_runs_the_first_have_their_bands_and_the_figure_says_so(
    tmp_path, figures, monkeypatch
):
    monkeypatch.setattr("suite.results.run_plot.MOST_BANDS", 2)
    runs = [make_run(tmp_path, seed=seed, rows=[metrics_row(10)]) for seed in range(3)]
    plot(runs, tmp_path / "out.png")
    figures[0].draw_without_rendering()
    lower = figures[0].subfigs[1]
    assert [axes.get_title() for axes in lower.axes] == ["none seed0", "none seed1"]
    assert lower.get_supxlabel().endswith("; the first 2 of 3 runs")


def test_a_run_without_evaluation_has_room_for_all_panels(tmp_path, figures):
    run = make_run(tmp_path, rows=[metrics_row(1000)], scores=[{"train/return": -20.0}])
    plot([run], tmp_path / "out.png")
    (text,) = panel(figures[0], "evaluation").texts
    assert text.get_text() == "no evaluation yet"


def test_a_run_without_rows_is_left_out_and_alone_is_an_error(tmp_path, figures):
    empty = make_run(tmp_path, "l2", 1e-3)
    plot([empty, make(tmp_path)], tmp_path / "out.png")
    assert len(panel(figures[0], "weight norm").lines) == 1
    with pytest.raises(UserError, match="no run has logged a row"):
        plot([empty], tmp_path / "out.png")


def test_the_command_writes_into_the_run_or_where_it_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runs = [make("runs"), make("runs", "l2", 1e-3)]
    paths = [str(run.path) for run in runs]
    assert main(["plot", paths[0]]) == 0
    assert main(["plot", *paths]) == 0
    assert main(["plot", *paths, "--out", "a/b.png"]) == 0
    written = capsys.readouterr().out.split()
    assert written == [f"{paths[0]}/plot.png", "plot.png", "a/b.png"]
    assert all(Image.open(path).format == "PNG" for path in written)
    assert main(["plot", paths[0], "--out", "a.pdf"]) == 2


def test_a_run_draws_itself_and_its_population_at_the_end(training, capsys):
    training()
    small = ["--replay-capacity", "20000", "--device", "cpu"]
    assert main(["run", "rl", *small, "--seed", "0", "1"]) == 0
    plots = [line.strip() for line in capsys.readouterr().out.splitlines() if ".png" in line]
    assert len(plots) == 3
    assert all(Image.open(path).format == "PNG" for path in plots)


@pytest.mark.slow
def test_a_run_that_cannot_be_drawn_costs_the_others_nothing(training, capsys, monkeypatch):
    training()
    whole = suite.results.selection._describe_run

    def damaged_for_seed_0(run):
        if run.config["member"]["seed"] == 0:
            raise UserError("config.json is damaged")
        return whole(run)

    small = ["--replay-capacity", "20000", "--device", "cpu"]
    assert main(["run", "rl", *small, "--seed", "0", "1"]) == 0
    table = capsys.readouterr().out.partition("plots:")[0]
    monkeypatch.setattr(suite.results.run_table, "table", lambda runs: "")
    monkeypatch.setattr(suite.results.selection, "_describe_run", damaged_for_seed_0)
    assert main(["run", "rl", *small, "--seed", "0", "1"]) == 0
    first, second, together = capsys.readouterr().out.partition("plots:\n")[2].splitlines()
    assert "seed0" in first
    assert first.endswith("plot.png: config.json is damaged")
    assert Image.open(second.strip()).format == "PNG"
    assert Image.open(together.strip()).format == "PNG"
    assert "score" in table
