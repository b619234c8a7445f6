"""Workloads are found through their entry points, and nothing below suite/ knows one by name."""

import re
from pathlib import Path

import pytest

import suite
from rl.environment import game_names
from suite.__main__ import main
from suite.registry import load, names
from workload.contract import Workload
from workload.errors import UserError

WORDS = r"rl|nlp|games?|atari|dqn|corpus|corpora|translat\w*|bleu|iwslt\w*|multi30k|grammar"


def sources():
    root = Path(suite.__file__).parent
    files = (file.relative_to(root) for file in root.rglob("*.py"))
    return [root / file for file in files]


def test_nothing_below_suite_names_a_workload_a_game_or_a_corpus():
    naming = re.compile(rf"\b({WORDS}|{'|'.join(game_names())})\b", re.IGNORECASE)
    found = {
        f"{file.name}:{number}: {line.strip()}"
        for file in sources()
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if naming.search(line)
    }
    assert not found


def test_every_workload_is_one_object_with_a_name():
    assert names() == ("nlp", "rl")
    for name in names():
        workload = load(name)
        assert isinstance(workload, Workload)
        assert name == workload.NAME


def test_a_workload_that_is_not_installed_is_refused_by_name():
    with pytest.raises(UserError, match="unknown workload 'nlpp'; did you mean nlp"):
        load("nlpp")


def test_commands_of_workloads_are_listed_and_asked_for_their_own_help(capsys):
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    for name in names():
        for command in load(name).COMMANDS:
            assert f"\n  {command.name} " in listed
            with pytest.raises(SystemExit) as ended:
                main([command.name, "--help"])
            assert ended.value.code == 0
            assert command.description in " ".join(capsys.readouterr().out.split())
