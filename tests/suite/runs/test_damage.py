"""The table of docs/reliability.md by machine: each file of a run is damaged in each way, in each
state of the run; then comes the same command, and what it advises.

Whatever is done to whichever file: the command goes on to the same result, or says what is missing,
or names the file and a way on, which leads there.

Of agents every file is damaged late in a run, in three ways; of the other workloads those that are
their own. With WDBENCH_EVERY_DAMAGE in the environment all are, in all six ways, early and late.
"""

import os
import re
from contextlib import chdir
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch

from suite.__main__ import main
from suite.runs.session import remarks
from tests.suite.run_files import values
from tests.suite.runs.damage import (
    DAMAGES,
    STATES,
    WORKLOADS,
    Built,
    delete,
    files_of,
    flip,
    folder_in_its_place,
    quick,
)
from workload.checkpoint_files import CheckpointFiles

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[3] / "docs" / "reliability.md"
EVERY = "WDBENCH_EVERY_DAMAGE" in os.environ


def table():
    """The page's rows: how damage is noticed and what happens then, by the pattern of the file."""
    rows = re.findall(r"^\| `(.+?)` \|.*\| (.+?) \| (.+?) \|$", PAGE.read_text(), re.M)
    return {pattern: (noticed, then) for pattern, noticed, then in rows}


TABLE = table()
OWN = {
    "rl": ("episodes.jsonl", "evaluations.jsonl", "replay/*", "weights/*"),
    "nlp": ("weights/*", "test.*.txt"),
    "vision": ("epochs/*.pt", "epochs/*.json", "sharpness.json"),
    "lm": ("rounds/*.pt",),
}
EVERYBODYS = tuple(set(TABLE) - {pattern for own in OWN.values() for pattern in own})
TRAINING = ("metrics.jsonl", "eval.jsonl", "checkpoint/*.pt")
SUMMED = ("digest", "SHA-256", "checksum")
ONLY_EARLIER = ("progress.json", "failed.json", "replay/*")
ONLY_FINISHED = ("done.json", "plot.png", "evaluations.jsonl", "sharpness.json", "epochs/*.json")
NOT_EARLY = ("weights/*", "test.*.txt", "epochs/*.pt", "rounds/*.pt")


def patterns(workload, state):
    """Those of the table that a run of a workload has, in a state, and that are damaged."""
    absent = ONLY_EARLIER if state == "finished" else ONLY_FINISHED
    early = NOT_EARLY if state == "early" else ()
    shared = EVERYBODYS if EVERY or workload == "rl" else TRAINING
    return sorted({*shared, *OWN[workload]} - {*absent, *early})


UNFINISHED = [
    (workload, state, pattern)
    for workload in WORKLOADS
    for state in (STATES[:2] if EVERY else STATES[1:2])
    for pattern in patterns(workload, state)
]
FINISHED = [(w, pattern) for w in WORKLOADS for pattern in patterns(w, "finished")]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return Built(tmp_path_factory.mktemp)


def result_of(run):
    """What training has come to: rows and texts by file, and all that the last state computes
    with."""
    files = CheckpointFiles(run)
    state = torch.load(files.folder / files.entry()["file"], weights_only=True)
    texts = {
        path.name: path.read_text() for path in (*run.glob("*.jsonl"), *run.glob("test.*.txt"))
    }
    texts.pop("evaluations.jsonl", None)
    return texts, values([state.get("parameters"), state.get("weights"), state.get("optimizer")])


@pytest.fixture
def damaged(built, tmp_path, monkeypatch):
    """Makes a copy of a run with one file damaged, in a working directory of its own."""
    quick(monkeypatch)

    def make(workload, state, file, damage):
        folder = tmp_path / f"{damage.__name__}-{file.replace('/', '-')}"
        built.copy(workload, state, folder)
        monkeypatch.chdir(folder)
        (run,) = Path().glob("runs/*/*/*/*")
        damage(run / file)
        return run

    return make


def matching(run, pattern):
    return [file for file in files_of(run) if fnmatch(file, pattern)]


@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_table_has_every_file_and_no_other(built, workload):
    for state in STATES if EVERY else STATES[1:]:
        run = built.run(workload, state)
        for file in files_of(run):
            assert sum(fnmatch(file, pattern) for pattern in TABLE) == 1, file
        for pattern in patterns(workload, state):
            assert matching(run, pattern), f"{state} {pattern}"


def follow(run, file, error, command):
    """What the error advises; returns the command to be given then."""
    aside = Path("aside")
    aside.mkdir(exist_ok=True)
    if "--without-replay true" in error:
        return [*command, "--without-replay=true"]
    if "move the run away" in error:
        run.rename(aside / "run")
    else:
        assert "move it away" in error or f"move {file} away" in error, error
        (run / file).rename(aside / "file")
    return command


@pytest.mark.parametrize(("workload", "state", "pattern"), UNFINISHED)
def test_an_unfinished_run_goes_on_or_says_how(built, damaged, workload, state, pattern, capsys):
    rows, weights = result_of(built.run(workload, "finished"))
    _, then = TABLE[pattern]
    for damage in DAMAGES if EVERY else (flip, delete, folder_in_its_place):
        for file in matching(built.run(workload, state), pattern):
            where = f"{state}, {file}, {damage.__name__}"
            run = damaged(workload, state, file, damage)
            capsys.readouterr()
            command = built.command(workload)
            code = main(command)
            error = capsys.readouterr().err
            if code:
                assert code == 2, f"{where}: {error}"
                assert "ends" in then, f"{where}: {error}"
                assert str(run / file) in error or str((run / file).parent) in error, error
                command = follow(run, file, error, command)
                code = main(command)
                error = capsys.readouterr().err
            assert code == 0, f"{where}: {error}"
            (run,) = Path().glob("runs/*/*/*/*")
            told = " ".join(remarks(run))
            if told:
                assert "remark" in then, f"{where}: {told}"
            final_rows, final_weights = result_of(run)
            if "--without-replay=true" in command:
                assert "its replay was lost" in told
                continue
            assert final_weights == weights, where
            if final_rows != rows:
                assert f"{file} " in told, where


@pytest.mark.parametrize(("workload", "pattern"), FINISHED)
def test_a_finished_run_is_shown_as_it_was_or_the_damage_is_named(
    built, damaged, workload, pattern, capsys
):
    noticed, then = TABLE[pattern]
    with chdir(built.folder(workload, "finished")):
        capsys.readouterr()
        assert main(["table", "runs"]) == 0
    shown = capsys.readouterr().out
    for file in matching(built.run(workload, "finished"), pattern):
        for damage in DAMAGES:
            where = f"{file}, {damage.__name__}"
            run = damaged(workload, "finished", file, damage)
            named = (str(run / file), "runs is no run directory")
            assert main(["table", "runs"]) in (0, 2), where
            out, error = capsys.readouterr()
            only_its_end_is_lost = file == "done.json" and damage is delete
            assert out == shown or only_its_end_is_lost or any(n in error for n in named), where
            code = main(["verify", "runs"])
            out, error = capsys.readouterr()
            a_copy_is_missing = file == "checkpoint.json" and damage is delete
            nothing_to_compare = a_copy_is_missing or only_its_end_is_lost
            if any(word in noticed for word in SUMMED) and not nothing_to_compare:
                assert code, where
                assert any(name in out + error for name in named), f"{where}: {out}"
            command = built.command(workload)
            code = main(command)
            error = capsys.readouterr().err
            if code:
                assert (code, "ends" in then) == (2, True), f"{where}: {error}"
                code = main(follow(run, file, error, command))
                error = capsys.readouterr().err
            assert code == 0, f"{where}: {error}"
