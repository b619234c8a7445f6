"""`wdbench demo WORKLOAD`: what a workload shows first."""

import pytest

from suite.__main__ import main
from suite.commands.demo import command_lines, demos
from suite.config.request import read_request
from suite.registry import load


def members(name):
    """The members of every command line that a demonstration is."""
    requests = [read_request(load(name), line, "wdbench run") for line in command_lines(name)]
    return [[member.name for member in request.job.members] for request in requests]


@pytest.mark.parametrize("name", demos())
def test_its_command_lines_compare_schemes_or_schedules(name):
    runs = [member for line in members(name) for member in line]
    assert len(runs) >= 2
    assert "none" in runs


def test_all_its_runs_are_trained_and_shown_with_the_flags_given(training, no_drawing, capsys):
    fake = training()
    assert main(["demo", "rl", "--seed", "7"]) == 0
    trained = [member for call in fake.calls for member, *_ in call]
    assert [member.scheme for member in trained] == ["none", "l2", "decoupled", "separated"]
    assert {member.seed for member in trained} == {7}
    text = capsys.readouterr().out
    assert "$ wdbench run rl --preset demo --seed 7\n" in text
    assert "  wdbench show runs/rl/Pong " in text


def test_of_several_command_lines_there_is_one_table_at_the_end(
    training, no_drawing, monkeypatch, capsys
):
    training()
    demo = type(load("rl").DEMO)("two", ("--scheme l2 --weight-decay 1e-3", "--scheme none"))
    monkeypatch.setattr(load("rl"), "DEMO", demo, raising=False)
    assert main(["demo", "rl", "--replay-capacity", "20000"]) == 0
    last = capsys.readouterr().out.partition("All of them:")[2]
    assert " l2 " in last
    assert " none " in last


def test_a_mistake_in_a_flag_trains_nothing(training, capsys):
    fake = training()
    assert main(["demo", "rl", "--sheme", "l2"]) == 2
    assert "did you mean --scheme" in capsys.readouterr().err
    assert not fake.calls


def test_a_workload_without_one_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(load("lm"), "DEMO", None, raising=False)
    assert main(["demo", "lm"]) == 2
    assert "lm has no demonstration; `wdbench run lm --help`" in capsys.readouterr().err
    assert main(["demo"]) == 0
    assert "wdbench demo lm" not in capsys.readouterr().out
