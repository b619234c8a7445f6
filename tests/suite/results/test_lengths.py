"""Runs of unequal length side by side: it is said, and they are compared where all have come."""

import csv
import json
import statistics

import pytest

from rl.workload import WORKLOAD as RL
from suite.__main__ import main
from suite.results.records import read, read_runs
from suite.results.run_plot import plot
from suite.results.run_table import table
from suite.results.selection import describe, one_of_each
from suite.runs.final import write_final
from tests.suite.results.runs import edit_json, game_run, grid_of, inside, records_of, refuse
from tests.suite.run_files import finish, make_translation
from tests.workload.exhibits import drawn

KEY = "eval/return"
SHORT = [1.0, 2.0, 3.0]
LONG = [10.0, 20.0, 30.0, 900.0, 900.0]


def metrics(steps):
    return [inside(1000 * step, float(step)) for step in range(1, steps + 1)]


@pytest.fixture
def runs(tmp_path):
    """`none` for three iterations, `l2` for five, on Pong; both for two on Breakout."""
    return [
        game_run(tmp_path, "Pong", "none", 0.0, 0, SHORT, rows=metrics(3)),
        game_run(tmp_path, "Pong", "l2", 1e-3, 0, LONG, rows=metrics(5), iterations=5),
        game_run(tmp_path, "Breakout", "none", 0.0, 0, [1.0, 2.0], iterations=2),
        game_run(tmp_path, "Breakout", "l2", 1e-3, 0, [3.0, 5.0], iterations=2),
    ]


def test_scores_are_those_at_the_length_that_all_runs_of_a_task_have(runs):
    found = {(run.task, run.member.scheme): run for run in records_of(runs)}
    assert found["Pong", "none"].scores[KEY] == 2.0  # the mean of all three
    assert found["Pong", "l2"].scores[KEY] == 20.0  # of its first three
    assert found["Breakout", "l2"].scores[KEY] == 4.0
    assert [found["Pong", "l2"].compared_at, found["Breakout", "l2"].compared_at] == [3, None]


def test_curves_end_where_the_shortest_run_ends(runs):
    long = next(run for run in records_of(runs) if run.length == 5)
    assert long.evaluations[KEY].tolist() == LONG[:3]
    assert long.metrics["optim/weight_norm"].tolist() == [1.0, 2.0, 3.0]


def test_the_length_makes_no_row_of_its_own(runs):
    grid = grid_of(runs)
    assert grid.keys == ()
    assert [row.scheme for row in grid.rows] == ["none", "l2"]


def test_a_longer_run_that_goes_on_counts_as_far_as_it_is_needed(tmp_path, runs):
    (runs[1].path / "done.json").unlink()
    found = next(run for run in records_of(runs) if run.length == 5)
    assert (found.status, found.scores[KEY]) == ("unfinished", 20.0)


def test_a_longer_run_that_has_not_come_so_far_does_not_count(tmp_path, runs):
    (runs[1].path / "done.json").unlink()
    lines = (runs[1].path / "eval.jsonl").read_text().splitlines(keepends=True)
    (runs[1].path / "eval.jsonl").write_text("".join(lines[:2]))
    found = next(run for run in records_of(runs) if run.length == 5)
    assert (found.status, found.scores) == ("unfinished", {})


@pytest.mark.parametrize(("at", "counts"), [(2500, False), (3500, True)])
def test_a_run_that_diverged_later_counts_as_far_as_it_is_compared(tmp_path, at, counts):
    short = game_run(tmp_path, "Pong", "none", 0.0, 0, SHORT)
    rows = [*metrics(5), {"iteration": 4, "agent_steps": at, "diverged": True}]
    long = game_run(tmp_path, "Pong", "l2", 1e-3, 0, LONG, "unfinished", rows, iterations=5)
    finish(long, "diverged")
    grid = grid_of([short, long])
    summary = grid.summary(grid.rows[1], "Pong", KEY)
    assert summary.scores == ((20.0,) if counts else ())
    assert summary.diverged == int(not counts)


def test_of_one_run_in_two_lengths_the_longer_counts_and_the_other_is_named(tmp_path):
    short = game_run(tmp_path, "Pong", "none", 0.0, 0, SHORT)
    long = game_run(tmp_path, "Pong", "none", 0.0, 0, [*SHORT, 4.0, 5.0], iterations=5)
    named = []
    (kept,) = one_of_each(describe([long, short], refuse), named.append)
    assert kept.run.path == long.path
    assert named == [f"{short.path} is the same run as {long.path}, but shorter"]
    (found,) = read([kept], 5, refuse)
    assert (found.compared_at, found.scores[KEY]) == (None, 3.0)


def test_a_translation_is_compared_by_the_test_at_the_common_epoch_or_not_at_all(tmp_path):
    def test(epoch, bleu):
        return {"epoch": epoch, "updates": 10 * epoch, "test/bleu": bleu, "test/bleu_13a": bleu}

    def valid(epoch, bleu):
        return {"epoch": epoch, "updates": 10 * epoch, "valid/bleu": bleu}

    short = make_translation(
        tmp_path, scores=[valid(1, 1.0), valid(2, 2.0), test(2, 5.0)], epochs=2
    )
    rows = [valid(1, 1.5), valid(2, 2.5), test(2, 6.0), valid(3, 9.0), test(3, 9.0)]
    both = make_translation(tmp_path, "l2", 1e-3, scores=rows, epochs=3)
    late = make_translation(tmp_path, "l2", 1e-4, scores=[*rows[:2], *rows[3:]], epochs=3)
    for run in (short, both, late):
        finish(run)
    found = [run.scores.get("test/bleu") for run in records_of([short, both, late])]
    assert found == [5.0, 6.0, None]
    assert [run.newest["valid/bleu"] for run in records_of([short, both, late])] == [2.0, 2.5, 2.5]


def test_the_table_compares_at_the_common_length_and_says_so(runs):
    text = table(runs[:2])
    head, _, first, second = (line.split() for line in text.splitlines()[:4])
    assert "iterations" in head
    place = head.index("score")
    assert [first[place], second[place]] == ["3.0", "30.0"]
    said = " ".join(text.split())
    assert "Runs on Pong are of unequal length (iterations 3, 5): all are compared at" in said
    assert "unequal" not in table(runs[2:])


@pytest.mark.slow
def test_the_plot_draws_all_and_marks_how_far_all_go(runs, tmp_path, figures):
    out = str(tmp_path / "out.png")
    assert main(["plot", str(runs[0].path), str(runs[1].path), "--out", out]) == 0
    norm = next(axes for axes in figures[0].get_axes() if axes.get_title() == "weight norm")
    *curves, mark = norm.lines
    assert [line.get_xdata()[-1] for line in curves] == [3000, 5000]
    assert list(mark.get_xdata()) == [3000, 3000]
    (title,) = [part.get_suptitle() for part in figures[0].subfigs if part.get_suptitle()]
    assert title == "Pong (dotted: iterations 3 of Pong, as far as all runs go)"


@pytest.mark.slow
def test_the_report_compares_at_the_common_length_and_says_so(runs, tmp_path):
    folder = tmp_path / "rl"
    with drawn.figures():
        assert main(["report", str(folder), "--out", str(tmp_path / "out"), "--last", "1"]) == 0
    with (tmp_path / "out" / "tables" / "table1_scores.csv").open(newline="") as file:
        means = {(r["game"], r["scheme"]): float(r["mean"]) for r in csv.DictReader(file)}
    assert means == {
        ("Pong", "none"): 3.0,
        ("Pong", "l2"): 30.0,
        ("Breakout", "none"): 2.0,
        ("Breakout", "l2"): 5.0,
    }
    text = (tmp_path / "out" / "report.md").read_text()
    assert "Runs on Pong are of unequal length (iterations 3, 5)" in text
    assert "Runs on Breakout" not in text


@pytest.fixture
def scheduled(monkeypatch):
    """As if a schedule read the length: gamma is 0.9 where it does."""

    def free_keys(recipe):
        return ("log_every",) if recipe["gamma"] == 0.9 else ("iterations", "log_every")

    monkeypatch.setattr(RL, "free_keys", free_keys)


@pytest.mark.slow
def test_runs_whose_schedule_reads_the_length_are_never_cut(scheduled, tmp_path, figures):
    """Cut at three iterations the longer one would be another training, not a shorter one."""
    runs = [
        game_run(tmp_path, "Pong", "l2", 1e-3, 0, SHORT, rows=metrics(3), gamma=0.9),
        game_run(tmp_path, "Pong", "l2", 1e-3, 0, LONG, rows=metrics(5), gamma=0.9, iterations=5),
    ]
    assert runs[0].path != runs[1].path
    assert one_of_each(describe(runs, refuse), refuse) == describe(runs, refuse)
    records = records_of(runs)
    assert [record.compared_at for record in records] == [None, None]
    assert [record.scores[KEY] for record in records] == [2.0, statistics.mean(LONG)]
    grid = grid_of(runs)
    assert grid.keys == ("iterations",)
    assert [row.label(grid.keys) for row in grid.rows] == [
        "l2 1e-3 iterations=3",
        "l2 1e-3 iterations=5",
    ]
    text = table(runs)
    head, _, first, second = (line.split() for line in text.splitlines()[:4])
    assert [line[head.index("iterations")] for line in (first, second)] == ["3", "5"]
    assert [line[head.index("score")] for line in (first, second)] == ["3.0", "900.0"]
    assert "unequal" not in text
    plot(runs, tmp_path / "out.png")
    (title,) = [part.get_suptitle() for part in figures[0].subfigs if part.get_suptitle()]
    assert title == "Pong"


def test_beside_them_the_others_are_compared_at_the_length_that_those_have(scheduled, runs):
    folder = runs[0].path.parents[3]
    longest = game_run(folder, "Pong", "l2", 1e-3, 1, [7.0] * 2, gamma=0.9, iterations=2)
    grid = grid_of([*runs[:2], longest])
    assert grid.keys == ("iterations", "gamma")
    assert {(row.scheme, row.extras): grid.summary(row, "Pong", KEY).mean for row in grid.rows} == {
        ("none", ("3", "0.99")): 2.0,
        ("l2", ("3", "0.99")): 20.0,
        ("l2", ("2", "0.9")): 7.0,
    }


def test_of_one_run_in_two_cadences_of_logging_one_counts(tmp_path):
    runs = [
        game_run(tmp_path / str(every), "Pong", "none", 0.0, 0, SHORT, log_every=every)
        for every in (100, 200)
    ]
    named = []
    (kept,) = one_of_each(describe(runs, refuse), named.append)
    assert kept.run.path == runs[0].path
    assert named == [f"{runs[1].path} is the same run as {runs[0].path}"]


@pytest.mark.parametrize("file", ["eval.jsonl", "metrics.jsonl", "done.json"])
def test_of_one_run_in_two_places_a_sound_one_counts(tmp_path, file):
    """Also where the damaged one comes first, and is longer."""
    damaged = game_run(tmp_path / "1", "Pong", "none", 0.0, 0, [*SHORT, 4.0], iterations=4)
    sound = game_run(tmp_path / "2", "Pong", "none", 0.0, 0, SHORT)
    for run in (damaged, sound):
        write_final(run.path, {"status": "finished"}, ("metrics.jsonl", "eval.jsonl"))
    (damaged.path / file).write_text("{")
    named = []
    (kept,) = one_of_each(describe([damaged, sound], refuse), named.append)
    assert kept.run.path == sound.path
    assert named == [f"{damaged.path} is the same run as {sound.path}, but damaged"]


def test_a_finished_run_that_lost_rows_of_its_training_counts_beside_an_unfinished_copy(tmp_path):
    """Its results are sound."""
    finished = game_run(tmp_path / "1", "Pong", "none", 0.0, 0, SHORT)
    write_final(finished.path, {"status": "finished"}, ("metrics.jsonl", "eval.jsonl"))
    (finished.path / "metrics.jsonl").write_text("{")
    copied = game_run(tmp_path / "2", "Pong", "none", 0.0, 0, SHORT)
    (copied.path / "done.json").unlink(missing_ok=True)
    (kept,) = one_of_each(describe([copied, finished], refuse), lambda _: None)
    assert kept.run.path == finished.path


def test_whole_runs_are_read_where_they_are_asked_for(runs):
    assert [len(run.evaluations[KEY]) for run in read_runs(runs[:2], whole=True)] == [3, 5]


def test_a_config_of_before_the_length_was_a_key_has_the_default_length(runs, tmp_path):
    config = json.loads((runs[0].path / "config.json").read_text())
    del config["recipe"]["iterations"]
    edit_json(runs[0].path / "config.json", recipe=config["recipe"])
    (run,) = describe([type(runs[0]).at(runs[0].path)], refuse)
    assert run.length == 200
