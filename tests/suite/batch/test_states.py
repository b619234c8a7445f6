"""How runs stand, from their directories."""

import os
import time

import pytest

from suite.batch.overview import describe_grid
from suite.batch.states import RunState, state_of, time_left
from suite.runs import heartbeat
from suite.runs.heartbeat import beating
from tests.suite.batch.grids import SMALL, grid_of
from tests.suite.run_files import finish, make_run
from workload.files import write_json
from workload.progress import Progress


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def runs():
    """Six runs of one game: none, and l2 with two lambdas, with two seeds each."""
    return list(grid_of(SMALL + "exclude: [{game: Pong}]\n").runs)


def make(run, scores=()):
    member, rows = run.member, [{"eval/return": score} for score in scores]
    make_run(
        "runs", member.scheme, member.weight_decay, member.seed,
        scores=rows, game="Breakout", replay_capacity=20_000,
    )  # fmt: skip
    assert run.run.path.is_dir()


TWO_RUNNING = (RunState("running", seconds_left=30.0), RunState("running", seconds_left=10.0))
"""With three to come that take 100 seconds each: (30 + 10 + 300) / 2 seconds left."""


def test_a_run_without_a_directory_waits_and_one_cut_off_waits_with_its_score(runs):
    make(runs[1], [3.0, 4.5])
    assert [state_of(run) for run in runs[:2]] == [RunState("waiting"), RunState("waiting", 4.5)]


def test_a_run_in_training_says_where_it_is_and_not_longer_than_it_trains(runs):
    make(runs[0], [2.0])
    with beating([runs[0].run]) as beat:
        assert state_of(runs[0]) == RunState("running", 2.0, "starting")
        heartbeat_due = heartbeat.EVERY
        heartbeat.EVERY = 0.0
        try:
            beat(Progress("iteration 1/2 training", 500, 1_000, seconds_left=90.0))
        finally:
            heartbeat.EVERY = heartbeat_due
        expected = RunState("running", 2.0, "iteration 1/2 training 500/1,000", seconds_left=90.0)
        assert state_of(runs[0]) == expected
    assert state_of(runs[0]) == RunState("waiting", 2.0)


@pytest.mark.parametrize(
    "change",
    [
        {"process": 2**22 + 1},  # above every process number of Linux: killed
        {"host": "elsewhere", "time": time.time() - 2 * heartbeat.LOST_AFTER},
        {"time": None},
    ],
)
def test_a_heartbeat_of_a_process_that_is_gone_is_none(runs, change):
    make(runs[0])
    beat = {"time": time.time(), "host": os.uname().nodename, "process": os.getpid()}
    beat |= {"place": "x", "seconds_left": None}
    write_json(runs[0].run.path / heartbeat.FILE, beat)
    assert state_of(runs[0]).status == "running"
    write_json(runs[0].run.path / heartbeat.FILE, beat | change)
    assert state_of(runs[0]).status == "waiting"


def test_a_finished_run_has_its_final_score_and_the_time_of_all_its_sessions(runs):
    make(runs[0], [None])
    with (runs[0].run.path / "eval.jsonl").open("a") as file:
        file.write('{"iteration": 1, "agent_steps": 2000, "train/return": 1.5}\n')
    sessions = [
        {"start": "2026-01-01T10:00:00+00:00", "end": "2026-01-01T10:00:30+00:00"},
        {"start": "2026-01-01T11:00:00+00:00", "end": None},  # killed
        {"start": "2026-01-02T12:00:00+00:00", "end": "2026-01-02T13:00:00+00:00"},
    ]
    write_json(runs[0].run.path / "meta.json", {"sessions": sessions})
    finish(runs[0].run, "diverged")
    assert state_of(runs[0]) == RunState("diverged", 1.5, seconds=3_630.0)


def test_a_failed_or_damaged_run_says_why(runs):
    make(runs[0])
    write_json(runs[0].run.path / "failed.json", {"error": "ValueError: no"})
    make(runs[1])
    (runs[1].run.path / "done.json").write_text("{")
    assert state_of(runs[0]) == RunState("failed", error="ValueError: no")
    assert state_of(runs[1]).status == "failed"
    assert "done.json is damaged" in state_of(runs[1]).error
    make(runs[2])
    write_json(runs[2].run.path / "config.json", runs[0].run.config)
    assert state_of(runs[2]).status == "failed"
    assert "config.json describes another run" in state_of(runs[2]).error
    make(runs[3])
    write_json(runs[3].run.path / "done.json", {"figures": {}})
    assert "done.json is damaged" in state_of(runs[3]).error


def test_a_log_that_cannot_be_read_has_no_score_and_costs_no_more(runs):
    make(runs[0])
    (runs[0].run.path / "eval.jsonl").unlink(missing_ok=True)
    (runs[0].run.path / "eval.jsonl").mkdir()
    assert state_of(runs[0]) == RunState("waiting")


@pytest.mark.parametrize(
    ("states", "seconds"),
    [
        ([RunState("done"), RunState("diverged")], 0.0),
        ([RunState("running", seconds_left=50.0), RunState("running", seconds_left=20.0)], 50.0),
        ([RunState("running"), RunState("done")], None),
        ([RunState("done", seconds=100.0), *TWO_RUNNING, *[RunState("waiting")] * 3], 170.0),
        ([RunState("waiting")], None),
    ],
)
def test_the_time_left(states, seconds):
    assert time_left(states) == seconds


def test_the_overview_counts_names_and_averages(runs):
    for run, scores in zip(runs, [[1.0], [2.0], [5.0], [], [], [7.0]], strict=True):
        make(run, scores)
    finish(runs[0].run)
    write_json(runs[3].run.path / "failed.json", {"error": "ValueError: no"})
    grid = grid_of(SMALL + "exclude: [{game: Pong}]\n")
    with beating([runs[2].run]):
        text = describe_grid(grid, [state_of(run) for run in runs])
    assert text.splitlines() == [
        "grid.yaml: 1 of 6 done, 1 running, 3 waiting, 1 failed",
        "",
        "          Breakout",
        "none       1/2 1.5",
        "l2-1e-3  0/2 5.0*!",
        "l2-1e-4    0/2 7.0",
        "",
        "done/runs and the mean of the last scores; * running, ! failed, ~ diverged",
        "",
        "Breakout starting",
        f"failed: {runs[3].run.path}: ValueError: no",
    ]
