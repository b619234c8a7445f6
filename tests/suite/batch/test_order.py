"""Runs that read others: what comes first, what is missing, what is left."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rl.workload import WORKLOAD as RL
from suite.__main__ import main
from suite.batch.capacity import Node
from suite.batch.order import Order
from suite.commands import batch
from tests.suite.batch.grids import grid_of, write_grid
from tests.suite.run_files import finish
from workload.errors import UserError
from workload.member import Member

CHAIN = """\
workload: rl
base: {replay_capacity: 20_000, game: Pong}
axes: {scheme: [decoupled, l2, none], weight_decay: [1.0e-3], seed: [0, 1]}
"""
BEFORE = {"decoupled": "l2", "l2": "none"}
ONE = ["batch", "grid.yaml", "--jobs", "1", "--device", "cpu"]


@pytest.fixture(autouse=True)
def chained(monkeypatch, tmp_path):
    """decoupled reads l2, l2 reads none, of the same seed."""
    monkeypatch.chdir(tmp_path)

    def references(recipe, members):
        return [
            (recipe, Member(before, 0.0 if before == "none" else 1e-3, member.seed))
            for member in members
            if (before := BEFORE.get(member.scheme))
        ]

    monkeypatch.setattr(RL, "references", references)
    monkeypatch.setattr(RL, "check", lambda recipe, machine, runs: None)
    monkeypatch.setattr(batch, "this_machine", lambda: Node(10**12, 2, ()))


def schemes(stages):
    return [[(run.member.scheme, run.member.seed) for run in stage] for stage in stages]


def test_runs_come_after_those_that_they_read():
    """Whatever the order of the file; within a stage it is the file's."""
    runs = grid_of(CHAIN).runs
    order = Order.of(runs, Path("runs"))
    assert schemes(order.stages(runs)) == [
        [("none", 0), ("none", 1)],
        [("l2", 0), ("l2", 1)],
        [("decoupled", 0), ("decoupled", 1)],
    ]
    assert list(order.missing) == []


def test_what_has_finished_keeps_nobody_waiting():
    runs = grid_of(CHAIN).runs
    waiting = [run for run in runs if run.member.scheme != "l2"]
    order = Order.of(runs, Path("runs"))
    assert len(order.stages(waiting)) == 1
    (first,) = [run for run in runs if run.member == Member("l2", 1e-3, 0)]
    (reader,) = [run for run in runs if run.member == Member("decoupled", 1e-3, 0)]
    assert order.waits_for(reader.run.path).path == first.run.path
    first.run.create()
    finish(first.run)
    assert order.waits_for(reader.run.path) is None


def test_a_reference_outside_the_grid_is_named_unless_it_has_finished():
    part = CHAIN.replace("decoupled, l2, none", "l2")
    order = Order.of(grid_of(part).runs, Path("runs"))
    assert [reference.member.seed for reference, _ in order.missing] == [0, 1]
    with pytest.raises(UserError, match=r"none/seed0 is read by 1 run such as .*: add it to the"):
        order.check()
    for reference, _ in order.missing:
        reference.create()
        finish(reference)
    assert list(Order.of(grid_of(part).runs, Path("runs")).missing) == []


def test_the_name_of_a_missing_run_says_what_is_unlike_its_readers(monkeypatch):
    monkeypatch.setattr(
        RL,
        "references",
        lambda recipe, members: [(replace(recipe, adam_eps=0.5), Member("l2", 1e-3, 0))],
    )
    part = CHAIN.replace("decoupled, l2, none", "separated").replace("[0, 1]", "[0]")
    (text,) = Order.of(grid_of(part).runs, Path("runs")).describe_missing()
    assert text.startswith(
        "l2-1e-3/seed0 adam_eps=0.5 is read by 1 run such as runs/rl/Pong/separated-1e-3/"
    )


def test_the_command_trains_references_first(training):
    fake = training()
    write_grid(CHAIN)
    assert main(ONE) == 0
    trained = [member.scheme for call in fake.calls for member, _ in call]
    assert trained == ["none", "none", "l2", "l2", "decoupled", "decoupled"]


def test_readers_of_what_has_failed_are_left_and_said(training, capsys):
    training(error=ValueError("no"))
    write_grid(CHAIN)
    assert main(ONE) == 1
    assert len(list(Path("runs").rglob("failed.json"))) == 2
    out = capsys.readouterr().out
    assert out.count("is left: ") == 4
    assert "4 waiting, 2 failed" in out
    training()
    assert main([*ONE, "--retry-failed"]) == 0
    done = [json.loads(path.read_text()) for path in Path("runs").rglob("done.json")]
    assert [each["status"] for each in done] == ["finished"] * 6


def test_readers_of_what_has_diverged_end_the_batch_as_a_failure(training, capsys):
    """l2 reads none, which diverges, and decoupled reads l2: neither can ever be trained."""
    fake = training(statuses={"none": "diverged"})
    write_grid(CHAIN)
    assert main(ONE) == 1
    out = capsys.readouterr().out
    assert out.count("which it reads, has diverged") == 2
    assert out.count("2 runs such as ") == 2  # one of each scheme, for each seed of none
    assert "which is read, has diverged; choose another recipe" in out
    assert "Other processes" not in out
    assert main(ONE) == 1
    assert [member.scheme for call in fake.calls for member, _ in call] == ["none", "none"]
    capsys.readouterr()
    assert main([*ONE, "--dry-run"]) == 0
    assert "which is read, has diverged" in capsys.readouterr().out
    write_grid(CHAIN.replace("decoupled, l2, none", "l2"))
    assert main(ONE) == 2
    assert "and has diverged: choose another recipe for it" in capsys.readouterr().err


def test_a_grid_without_its_references_trains_nothing(training, capsys):
    fake = training()
    write_grid(CHAIN.replace("decoupled, l2, none", "decoupled"))
    assert main(ONE) == 2
    assert fake.calls == []
    assert not Path("runs").exists()
    assert "l2-1e-3/seed1 is read by 1 run" in capsys.readouterr().err
    assert main([*ONE, "--dry-run"]) == 0
    assert "l2-1e-3/seed1 is read by 1 run" in capsys.readouterr().out


def test_a_dry_run_says_what_comes_last(capsys):
    write_grid(CHAIN)
    assert main([*ONE, "--dry-run"]) == 0
    assert "after the others, whose results they read: 4 runs" in capsys.readouterr().out
