"""Workloads are found through their entry points, and nothing below suite/ knows one by name."""

import importlib.metadata
import re
import sys
from pathlib import Path

import pytest

import suite
from rl.atari import game_names
from suite import registry
from suite.__main__ import main
from suite.registry import GROUP, load, names
from tests.installed_toy import on_the_path
from workload.contract import Command, Workload
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
    assert names() == ("lm", "nlp", "rl", "vision")
    for name in names():
        workload = load(name)
        assert isinstance(workload, Workload)
        assert name == workload.NAME


def test_entry_points_are_those_that_importlib_finds(tmp_path, monkeypatch):
    folder = tmp_path / "toys-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        f"# a comment\n[console_scripts]\ntoy = toys:main\n\n[{GROUP}]\n"
        "toy=toys.workload:WORKLOAD\n  ball   =  toys.ball : BALL  [extra]\n\n"
        "[toys.colours]\nred = toys:RED\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_entries", registry._entries.__wrapped__)
    expected = importlib.metadata.entry_points(group=GROUP)
    assert {"toy", "ball", *names()} == {point.name for point in expected}
    found = registry._entries()
    for point in expected:
        assert found[point.name].split(":") == [point.module, point.attr]
    assert list(found) == sorted(found)


def test_of_two_installed_workloads_of_one_name_the_first_on_the_path_is_taken(
    tmp_path, monkeypatch
):
    for name in ("first", "second"):
        folder = tmp_path / name / f"{name}-1.dist-info"
        folder.mkdir(parents=True)
        (folder / "entry_points.txt").write_text(f"[{GROUP}]\ntoy = {name}:TOY\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path / "second"), "nowhere"])
    assert registry._entries.__wrapped__() == {"toy": "first:TOY"}


def test_a_workload_that_is_not_installed_is_refused_by_name():
    with pytest.raises(UserError, match="unknown workload 'nlpp'; did you mean nlp"):
        load("nlpp")


LACKING = """\
from workload.contract import Workload


class Stranger(Workload):
    NAME, TITLE = "stranger", "It does not say what its rows are."
    TASK_KEY, LENGTH_KEY = "data", "epochs"
    Recipe = Machine = report = None

    def train(self, *_, **__): ...


"""


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import nothing_of_that_name", "cannot be loaded: ModuleNotFoundError: No module named"),
        ("WORKLOAD = object()", "is no workload.contract.Workload"),
        (f"{LACKING}WORKLOAD = Stranger()", "does not say STEP_KEY, EPOCH_KEY"),
        (
            f"{LACKING}Stranger.STEP_KEY = Stranger.EPOCH_KEY = 'x'\n"
            "Stranger.NAME = 'other'\nWORKLOAD = Stranger()",
            "has another NAME, other",
        ),
    ],
)
def test_what_is_wrong_with_a_strangers_package_is_one_sentence(source, problem, tmp_path, capsys):
    (tmp_path / "stranger.py").write_text(source)
    folder = tmp_path / "stranger-1.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text(f"[{GROUP}]\nstranger = stranger:WORKLOAD\n")
    with on_the_path(tmp_path):
        for argv in (["--help"], ["run", "stranger"]):
            assert main(argv) == 2
            said = capsys.readouterr().err
            assert f"error: workload stranger: stranger:WORKLOAD {problem}" in said
        assert main(["run", "rl", "--print_config"]) == 0  # the others do not suffer
    with pytest.raises(UserError, match="unknown workload 'stranger'"):
        load("stranger")


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


def test_a_command_that_several_workloads_have_goes_to_the_one_that_takes_its_argument(
    monkeypatch,
):
    called = []

    def command(name):
        def run(parser, arguments):
            called.append((name, arguments))
            return 0

        return Command("boil", f"boil {name}", "Boil.", run, accepts=lambda word: word == name)

    class Kitchen:
        def __init__(self, name):
            self.COMMANDS = (command(name),)

    monkeypatch.setattr("suite.__main__.names", lambda: ("egg", "tea"))
    monkeypatch.setattr("suite.__main__.load", Kitchen)
    assert main(["boil", "--minutes", "3", "tea"]) == 0
    assert main(["boil", "egg"]) == 0
    assert called == [("tea", ["--minutes", "3", "tea"]), ("egg", ["egg"])]
    assert main(["boil", "soup"]) == 2
    assert len(called) == 2
