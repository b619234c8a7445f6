"""Every command of the pages is understood by the program's own parsers; quick ones are run."""

import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

import pytest

from scripts.command_pages import PAGES as COMMAND_PAGES
from scripts.command_pages import updated
from suite.__main__ import main
from suite.batch.grid_file import read_grid
from suite.commands.arguments import Parser
from suite.commands.parsers import parser_for, targets
from suite.config.flags import key_types
from suite.config.request import read_request
from suite.registry import load
from tests.docs.pages import PAGES, README, ROOT, blocks, code, commands
from workload.errors import UserError

COMMAND_FILES = sorted(COMMAND_PAGES.glob("*.md"))
OWN = "mine"
"""The workload that a page builds; test_own_workload.py gives its commands."""
LINES = sorted(
    {
        shlex.join(words[1:])
        for page in (*PAGES, README)
        for words in commands(page)
        if words[1:3] != ["run", OWN]
    }
)
EXAMPLES = {
    target: [
        re.split(r" #| [|>]", line)[0].strip()
        for line in (parser_for(target).epilog or "").splitlines()[1:]
    ]
    for target in targets()
}
QUICK = ("--dry-run", "--print_config", "status")


class Parsed(Exception):
    """A command's arguments are all understood."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A user's folder: the grids, the texts and the pictures that the pages speak of."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for name in ("texts/mine/train.de", "texts/talks/train.de", "pictures/mine/train.npz"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    for page in PAGES:
        for block in blocks(page, "yaml"):
            if block.title:
                (tmp_path / block.title).write_text(block.text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def understood(line, monkeypatch):
    """Whether the program takes the words, short of doing what they ask for; it says why not."""
    words = shlex.split(line)
    if words[0] == "run" and words[1] != "batch":
        workload = load(words[1])
        try:
            request = read_request(workload, words[2:], "wdbench run")
            workload.validate_members(request.job.recipe, request.job.members)
        except UserError as error:
            print(error)
            return False
        return True

    def parsed(parser, arguments=None, namespace=None):
        ArgumentParser.parse_args(parser, arguments)
        raise Parsed

    monkeypatch.setattr(Parser, "parse_args", parsed)
    try:
        main(words)
    except Parsed:
        return True
    return False


def test_commands_are_found():
    """What is looked for on the pages is there: no line is passed over without a word."""
    typed = {line for page in PAGES for line in re.findall(r"^ *(wdbench .*)$", code(page), re.M)}
    assert len(typed) > 60
    assert "run rl --preset demo" in LINES
    assert "batch mine.yaml --dry-run" in LINES
    assert {line.split()[0] for line in LINES} == {target.split()[0] for target in targets()}


@pytest.mark.parametrize("line", LINES)
def test_a_command_is_understood(line, folder, monkeypatch):
    assert understood(line, monkeypatch)


@pytest.mark.parametrize("target", EXAMPLES)
def test_the_help_of_a_command_ends_with_examples_that_are_understood(target, folder, monkeypatch):
    assert len(EXAMPLES[target]) >= 2
    for line in EXAMPLES[target]:
        program, *words = shlex.split(line)
        assert program == "wdbench"
        assert words[0] == target.split()[0]
        assert understood(shlex.join(words), monkeypatch), line


@pytest.mark.parametrize(
    "line", ["table runs --colour", "run rl --sheme l2", "prepare grammar --bpe many"]
)
def test_what_is_no_command_is_not_understood(line, folder, monkeypatch):
    assert not understood(line, monkeypatch)


@pytest.mark.parametrize(
    "line", [x for x in LINES if x.startswith("status") or any(f in x.split() for f in QUICK)]
)
def test_a_quick_command_runs(line, folder, capsys):
    assert main(shlex.split(line)) == 0, capsys.readouterr().err
    assert capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_grids_of_a_page_are_grids(page, tmp_path):
    for block in blocks(page, "yaml"):
        file = tmp_path / "grid.yaml"
        file.write_text(block.text)
        assert read_grid(file, tmp_path / "runs", {}).runs


def test_the_grid_of_the_tutorial_has_ten_runs(folder):
    assert len(read_grid(Path("mine.yaml"), folder / "runs", {}).runs) == 10


def test_make_targets_exist():
    rules = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    for page in (*PAGES, README):
        assert {*re.findall(r"^make ([\w-]+)", code(page), re.M)} <= rules, page


def test_every_command_has_its_options_on_a_page():
    marks = re.findall(r"<!-- options: (.+) -->", "".join(p.read_text() for p in COMMAND_FILES))
    assert sorted(marks) == sorted(targets())


@pytest.mark.parametrize("page", COMMAND_FILES, ids=lambda page: page.stem)
def test_options_are_the_parsers(page):
    text = page.read_text()
    assert updated(text) == text, "python -m scripts.command_pages writes them"


NAMES = {
    "CleanRL, Stable-Baselines3, Dopamine": "rl",
    "fairseq": "nlp",
    "JoeyNMT": "nlp",
    "timm": "vision",
    "nanoGPT": "lm",
}


@pytest.mark.parametrize("tool", NAMES)
def test_names_for_users_of_other_tools_are_flags(tool):
    """The last column names flags of ours; where a workload answers to other tools' names,
    so do the other columns."""
    text = (ROOT / "docs" / "coming-from.md").read_text()
    section = text.split(f"\n## {tool}\n")[1].split("\n## ")[0]
    rows = [re.split(r" \| ", line.strip("| ")) for line in re.findall(r"^\|.*\|$", section, re.M)]
    workload = load(NAMES[tool])
    page = (COMMAND_PAGES / f"run-{NAMES[tool]}.md").read_text()
    flags = {flag for row in rows[2:] for flag in re.findall(r"--[a-z0-9-]+", row[-1])}
    assert len(flags) >= 8
    for flag in flags:
        assert f"| `{flag}` |" in page, flag
    if workload.OTHER_NAMES:
        cells = [cell for row in rows[2:] for cell in row[:-1]]
        theirs = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
        known = workload.OTHER_NAMES.keys() | workload.SYNONYMS.keys()
        assert theirs <= known | key_types(workload).keys()
