"""Runs shown together: all below a folder, told apart by what they differ in."""

import math
import shutil

import pytest
from matplotlib.figure import Figure

from suite.__main__ import main
from suite.results.records import read_runs
from suite.results.run_plot import labels as labels_of
from suite.results.run_plot import plot
from suite.results.run_table import table
from suite.results.selection import find
from tests.suite.fake_training import metrics_row
from tests.suite.run_files import make_run


def labels(runs):
    return labels_of(read_runs(runs))


def find_runs(paths):
    return find(paths, pytest.fail)


def pair(folder, **options):
    """Two runs that differ in the schedule alone."""
    return [
        make_run(folder, "l2", 1e-3, decay_schedule=schedule, **options)
        for schedule in ("always", "early:10")
    ]


def test_labels_name_what_differs_and_nothing_else(tmp_path):
    assert labels(pair(tmp_path)) == [
        "l2-1e-3 decay_schedule=always seed0",
        "l2-1e-3 decay_schedule=early:10 seed0",
    ]
    several = [make_run(tmp_path, warm_up=400), make_run(tmp_path, game="Qbert", gamma=0.9)]
    assert labels(several) == [
        "Pong none gamma=0.99 warm_up=400 seed0",
        "Qbert none gamma=0.9 warm_up=20000 seed0",
    ]
    assert labels([make_run(tmp_path, seed=seed) for seed in (0, 1)]) == [
        "none seed0",
        "none seed1",
    ]


def test_values_that_differ_in_the_last_digit_are_told_apart(tmp_path):
    rates = [2.5e-4, math.nextafter(2.5e-4, 1.0)]
    shown = [
        run.split("learning_rate=")[1].split()[0]
        for run in labels([make_run(tmp_path, learning_rate=rate) for rate in rates])
    ]
    assert [float(text) for text in shown] == rates
    assert shown[0] == "0.00025"


def test_the_table_has_a_column_for_what_differs(tmp_path):
    first, second = pair(tmp_path)
    head, _, *lines = table([first, second]).splitlines()
    assert head.split()[2:5] == ["lambda", "decay_schedule", "seed"]
    assert [line.split()[3] for line in lines[:2]] == ["always", "early:10"]
    assert "decay_schedule" not in table([first])


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_runs_of_other_recipes_differ_in_colour_or_line_style(tmp_path, seeds, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
    runs = [run for seed in seeds for run in pair(tmp_path, rows=[metrics_row(10)], seed=seed)]
    plot(runs, tmp_path / "out.png")
    axes = next(axes for axes in figures[0].get_axes() if axes.get_title() == "weight norm")
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == len(runs)
    assert len({line.get_color() for line in axes.lines}) == 2


def test_a_folder_stands_for_all_runs_below_it(tmp_path):
    runs = [make_run(tmp_path, game=game) for game in ("Pong", "Qbert")]
    paths = {run.path for run in runs}
    assert {run.path for run in find_runs([tmp_path])} == paths
    assert {run.path for run in find_runs([runs[0].path, tmp_path, runs[0].path])} == paths
    assert {run.path for run in find_runs([tmp_path, runs[0].path.parent])} == paths
    assert [run.path for run in find_runs([tmp_path / "rl" / "Pong"])] == [runs[0].path]


@pytest.mark.parametrize("command", ["table", "plot"])
def test_a_folder_without_runs_is_an_error_that_says_what_runs_look_like(command, tmp_path, capsys):
    assert main([command, str(tmp_path)]) == 2
    assert "and runs/rl/GAME/*/*" in capsys.readouterr().err


def test_a_damaged_run_or_line_is_named_and_left_out(tmp_path, capsys):
    whole = make_run(tmp_path, "l2", 1e-3)
    lines, config = make_run(tmp_path, seed=1), make_run(tmp_path, seed=2)
    (lines.path / "metrics.jsonl").write_text("nonsense\n")
    (config.path / "config.json").write_text("nonsense")
    assert main(["table", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    shown = [line.split()[1:4] for line in printed.out.splitlines()[2:4]]
    assert sorted(shown) == [["l2", "0.001", "0"], ["none", "-", "1"]]
    assert f"left out: {lines.path / 'metrics.jsonl'}, line 1 is damaged" in printed.err
    assert f"left out: {config.path / 'config.json'} is damaged" in printed.err
    (whole.path / "config.json").write_text("{}")
    assert main(["table", str(config.path), str(whole.path)]) == 2
    assert f"{config.path / 'config.json'} is damaged" in capsys.readouterr().err


def test_a_run_that_lies_twice_is_shown_once_and_told_once(tmp_path, capsys):
    run = make_run(tmp_path, "l2", 1e-3)
    copy = shutil.copytree(run.path, run.path.with_name("zz-renamed"))
    assert main(["table", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert sum(" l2 " in line for line in printed.out.splitlines()[2:]) == 1
    assert printed.err == f"wdbench: left out: {copy} is the same run as {run.path}\n"
