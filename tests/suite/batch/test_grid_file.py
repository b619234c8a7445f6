"""A grid file and the runs it stands for."""

import csv
import itertools
from importlib import resources

import pytest

from rl.workload import WORKLOAD as RL
from suite.batch.grid_file import read_grid
from suite.batch.order import Order
from suite.config.request import read_request
from tests.suite.batch.grids import SMALL, cells, grid_of
from workload.errors import UserError


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def shipped(name, tmp_path):
    with resources.as_file(resources.files("configs") / "grids" / name) as file:
        return read_grid(file, tmp_path / "runs", {})


def test_the_runs_are_the_product_of_the_axes_and_none_has_no_lambda():
    rows = [("none", 0.0), ("l2", 1e-3), ("l2", 1e-4)]
    expected = [
        (game, *row, seed)
        for game, row, seed in itertools.product(["Breakout", "Pong"], rows, [0, 1])
    ]
    assert cells(grid_of(SMALL)) == expected


def test_a_run_of_a_grid_is_the_run_of_the_same_command():
    (run, *_) = grid_of(SMALL + "exclude: [{game: Breakout}, {scheme: none}]\n").runs
    argv = [
        "--game",
        "Pong",
        "--scheme",
        "l2",
        "--weight-decay",
        "1e-3",
        "--seed",
        "0",
        "--replay-capacity",
        "20000",
    ]
    (expected,) = read_request(RL, argv, "wdbench run rl").job.runs
    assert run.run.path == expected.path
    assert run.run.config == expected.config


def test_anchors_and_merges_say_a_thing_once():
    text = SMALL.replace("axes:", "axes: &all")
    included = "include: [{<<: *all, game: Enduro, seed: [7]}]\n"
    grid = grid_of(text + included)
    before = cells(grid_of(SMALL))
    expected = [("Enduro", *row, 7) for row in dict.fromkeys(cell[1:3] for cell in before)]
    assert cells(grid) == before + expected


def test_exclude_leaves_out_what_matches_all_of_its_values():
    grid = grid_of(SMALL + "exclude:\n  - {game: Pong, weight_decay: [1.0e-4, 0]}\n")
    left_out = {cell for cell in cells(grid_of(SMALL)) if cell[0] == "Pong" and cell[2] != 1e-3}
    assert set(cells(grid)) == set(cells(grid_of(SMALL))) - left_out
    assert len(left_out) == 4


def test_an_exclude_that_matches_no_run_is_named(capsys):
    grid = grid_of(SMALL + "exclude: [{game: Pong, seed: 0}, {game: Pang}]\n")
    assert len(grid.runs) == 9
    assert capsys.readouterr().err == "wdbench: grid.yaml: entry 2 of exclude matches no run\n"


def test_include_adds_a_product_of_its_own_and_doubles_nothing():
    include = (
        "include:\n  - {game: Enduro, scheme: none, seed: [5, 6]}\n  - {game: Pong, scheme: none}\n"
    )
    added = cells(grid_of(SMALL + include))[len(cells(grid_of(SMALL))) :]
    assert added == [("Enduro", "none", 0.0, 5), ("Enduro", "none", 0.0, 6)]


def test_documents_are_grids_of_their_own():
    text = SMALL + "---\nworkload: nlp\npreset: grammar-tiny\naxes: {seed: [3, 4]}\n"
    names = [run.workload.NAME for run in grid_of(text).runs]
    assert names == ["rl"] * 12 + ["nlp"] * 2


def test_the_machine_of_the_command_line_stands_above_that_of_the_file():
    text = SMALL.replace("base: {", "base: {threads: 3, checkpoint_every: 100, ")
    machine = grid_of(text, threads=2).runs[0].machine
    assert (machine.threads, machine.checkpoint_every) == (2, 100)


def test_table1_has_the_rows_and_games_of_the_published_table(tmp_path):
    published = resources.files("results.published") / "bjorck2021_table1.csv"
    with published.open() as file:
        rows = list(csv.DictReader(file))
    games = [name for name in rows[0] if name not in ("scheme", "weight_decay")]
    expected = {
        (game, row["scheme"], float(row["weight_decay"]), seed)
        for row, game, seed in itertools.product(rows, games, range(3))
    }
    grid = shipped("table1.yaml", tmp_path)
    assert len(grid.runs) == len(expected) == 312
    assert set(cells(grid)) == expected
    assert {run.recipe for run in grid.runs} == {RL.Recipe(game=game) for game in games}


@pytest.mark.parametrize(
    ("name", "runs"),
    [
        ("table1-small.yaml", 24),
        ("figure7.yaml", 3 * 3 * 3 + 3),
        ("figure7-small.yaml", 3 * 2 * 3 + 3),
        ("early_late.yaml", 4 * 5 * 3 + 5 * 3),
        ("early_late-small.yaml", 5 * 3 + 5 * 3),
        ("vision.yaml", 12 * 3 + 5 * 3 + 2 * 6 * 3),
        ("vision-small.yaml", 12 * 3 + 5 * 3),
        ("talk.yaml", 4 * 3 + 3 * 3 + 5 * 3 * 3 + 9 * 3),
        ("talk-small.yaml", 4 * 3 + 3 * 3 + 2 * 3 * 3 + 5 * 3),
        ("lm.yaml", 3 * 3 * 3),
        ("lm-small.yaml", 3 * 3 * 3 + 2 * 2 * 3),
        ("lm-bf16.yaml", 3 * 2 * 6 + 3 * 3 + 6),
        ("lm-bf16-small.yaml", 3 * 2 * 6 + 3 * 3 + 6),
        ("lm-ablations.yaml", (5 * 2 + 4 * 2 + 4 * 2 * 2) * 3),
        ("lm-ablations-small.yaml", (4 * 2 + 3 * 2 + 3 * 2 + 2) * 3),
    ],
)
def test_a_shipped_grid_has_as_many_runs_as_its_comment_says(tmp_path, name, runs):
    assert len(shipped(name, tmp_path).runs) == runs


@pytest.mark.parametrize(
    ("name", "later"),
    [
        ("vision.yaml", 3 * 3),
        ("vision-small.yaml", 3 * 3),
        ("talk.yaml", 5 * 3 * 3),
        ("talk-small.yaml", 2 * 3 * 3),
        ("lm.yaml", 3 * 3),
        ("lm-small.yaml", 3 * 3 + 2 * 3),
    ],
)
def test_runs_of_a_shipped_grid_read_runs_of_the_same_grid(tmp_path, name, later):
    """Those whose norms are matched or that branch come second, and nothing is missing."""
    runs = shipped(name, tmp_path).runs
    order = Order.of(runs, tmp_path / "runs")
    assert order.describe_missing() == []
    first, second = order.stages(runs)
    assert (len(first), len(second)) == (len(runs) - later, later)
    assert all(run.workload.references(run.recipe, [run.member]) for run in second)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("axes: {seed: [0]}\n", "no workload is given; allowed are lm, nlp, rl"),
        ("workload: rx\n", "unknown workload 'rx'"),
        ("workload: rl\naxis: {seed: [0]}\n", "line 2: unknown key 'axis'; did you mean axes?"),
        ("workload: rl\naxes: {gamme: [0.9]}\n", "line 2: unknown axis 'gamme'; did you mean"),
        ("workload: rl\naxes:\n  seed: [0, x]\n", "line 3: seed: 'x' is not a whole number"),
        ("workload: rl\naxes:\n  scheme: [l3]\n", "line 3: scheme: 'l3' is not one of none, l2"),
        ("workload: rl\naxes:\n  seed: [0]\n  seed: [1]\n", "line 4: seed is given a second time"),
        ("workload: rl\naxes: {seed: []}\n", "line 2: axes: seed has no values"),
        ("workload: rl\naxes: {threads: [1, 2]}\n", "threads is no part of what a run computes"),
        ("workload: rl\naxes: {seed: [1, 1]}\n", "seed names a value twice"),
        ("workload: rl\naxes: {game: [Pong, Pang]}\n", "Pang"),
        ("workload: rl\naxes: {gamma: [0.9, 1.5]}\n", "gamma: 1.5 is not between 0 and 1"),
        ("workload: rl\naxes: {scheme: [l2]}\n", "weight_decay: scheme l2 needs a value above 0"),
        (
            "workload: rl\nbase: {gamma: .9}\naxes: {gamma: [.8]}\n",
            "gamma is given in base and in axes",
        ),
        ("workload: rl\nexclude: {seed: 0}\n", "line 2: exclude takes a list"),
        (
            "workload: rl\naxes: {seed: [0]}\nexclude: [{seed: 0}]\n",
            "exclude leaves out every run of axes",
        ),
        ("workload: rl\npreset: papper\n", "unknown preset 'papper'; did you mean paper?"),
        ("workload: rl\nbase: {gamma: high}\n", "line 2: gamma: 'high' is not a finite number"),
        ("workload: [rl\n", "not YAML"),
        ("", "the grid has no runs"),
        ("just words\n", "expected lines of `key: value`"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_what_is_allowed(text, message):
    with pytest.raises(UserError) as error:
        grid_of(text)
    assert str(error.value).startswith("grid.yaml")
    assert message in str(error.value)


def test_without_decay_there_is_no_schedule_and_one_run_for_all_of_them():
    axes = "  decay_schedule: [always, 'early:1000', 'late:1000']\n"
    grid = grid_of(SMALL + axes)
    schedules = {}
    for run in grid.runs:
        schedules.setdefault(run.member.scheme, []).append(run.recipe.decay_schedule)
    assert schedules["none"] == ["always"] * 4  # 2 games x 2 seeds
    assert sorted(schedules["l2"]) == sorted(["always", "early:1000", "late:1000"] * 8)
    plain = {run.run.path for run in grid_of(SMALL).runs if run.member.scheme == "none"}
    assert plain == {run.run.path for run in grid.runs if run.member.scheme == "none"}


def test_an_axis_may_be_a_range_at_equal_distances_on_the_logarithmic_axis():
    text = SMALL.replace("[1.0e-3, 1.0e-4]", "{log: [1e-6, 1e-2], points: 9}")
    found = {run.member.weight_decay for run in grid_of(text).runs if run.member.scheme == "l2"}
    expected = [1e-6, 3.16e-6, 1e-5, 3.16e-5, 1e-4, 3.16e-4, 1e-3, 3.16e-3, 1e-2]
    assert sorted(found) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{log: [1e-6, 1e-2]}",
        "{log: [1e-6], points: 9}",
        "{log: [1e-2, 1e-6], points: 9}",
        "{log: [0, 1], points: 9}",
        "{log: [1e-6, 1e-2], points: 1}",
        "{log: [a, b], points: 9}",
        "{linear: [1, 2], points: 9}",
    ],
)
def test_a_range_of_another_form_is_refused_with_its_line(text):
    with pytest.raises(UserError, match=r"grid.yaml, line 6: axes: weight_decay: a range of val"):
        grid_of(SMALL.replace("[1.0e-3, 1.0e-4]", text))
