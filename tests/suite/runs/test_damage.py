"""The table of docs/reliability.md by machine: each file of a run is damaged in each way, in each
state of the run; then comes the same command, and what it advises.

Whatever is done to whichever file: the command goes on to the same result, or says what is missing,
or names the file and a way on, which leads there.

Training goes on after three kinds of damage late in a run; with WDBENCH_EVERY_DAMAGE in the
environment after all six, early and late.
"""

import os
import re
import shutil
import stat
from contextlib import chdir
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch

from suite.__main__ import main
from suite.runs.session import remarks
from tests.list_log import Asked
from workload.checkpoint_files import CheckpointFiles

PAGE = Path(__file__).parents[3] / "docs" / "reliability.md"
COMMAND = [
    *("run", "rl", "--game=Pong", "--iterations=2", "--training-steps=48", "--evaluation-steps=0"),
    *("--warm-up=16", "--epsilon-steps=32", "--replay-capacity=90", "--padding=valid"),
    *("--log-every=8", "--max-episode-steps=24", "--target-every=16", "--batch-size=2"),
    *("--update-every=4", "--scheme=l2", "--weight-decay=1e-3", "--device=cpu"),
    *("--checkpoint-every=16", "--keep-checkpoints=best", "--runs=runs"),
]
STATES = {"early": 40, "late": 88, "finished": 10**9}
"""At which question it is asked to stop."""


def table():
    """The page's rows: how damage is noticed and what happens then, by the pattern of the file."""
    rows = re.findall(r"^\| `(.+?)` \|.*\| (.+?) \| (.+?) \|$", PAGE.read_text(), re.M)
    return {pattern: (noticed, then) for pattern, noticed, then in rows}


TABLE = table()
SUMMED = ("digest", "SHA-256", "checksum")


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    os.truncate(path, 0)


def delete(path):
    path.unlink()


def folder_in_its_place(path):
    path.unlink()
    path.mkdir()
    (path / "something").touch()


def unreadable(path):
    """Also for root."""
    path.unlink()
    os.mknod(path, stat.S_IFSOCK | 0o600)


DAMAGES = (flip, cut, empty, delete, folder_in_its_place, unreadable)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder per state with `runs` in it."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        _quick(patch)
        for state, stop_at in STATES.items():
            found[state] = tmp_path_factory.mktemp(state)
            asked = Asked(stop_at)
            with chdir(found[state]), patch.context() as stopping:
                stopping.setattr(
                    "suite.runs.stop.StopRequest.__call__", lambda _, asked=asked: asked()
                )
                assert main(COMMAND) == (0 if state == "finished" else 130)
            (run,) = found[state].glob("runs/rl/*/*/*")
            if state == "finished":
                (run / "plot.png").write_bytes(b"a picture")
            else:  # as a kill, and a failure before it, leave them
                (run / "progress.json").write_text("{}")
                (run / "failed.json").write_text('{"error": "once"}')
    return found


def _quick(patch):
    patch.setattr("rl.module.CHUNK", 8)
    patch.setattr("rl.training.CHUNK_SECONDS", float("inf"))
    patch.setattr("suite.results.run_plot.plot", lambda runs, out: out)


def files_of(run):
    return sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())


def result_of(run):
    """What training has come to: rows, and the last state."""
    files = CheckpointFiles(run)
    state = torch.load(files.folder / files.entry()["file"], weights_only=True)
    rows = [(run / name).read_text() for name in ("metrics.jsonl", "eval.jsonl", "episodes.jsonl")]
    return rows, {name: w.numpy().tobytes() for name, w in state["parameters"].items()}


@pytest.fixture
def damaged(built, tmp_path, monkeypatch):
    """Makes a copy of a run with one file damaged, in a working directory of its own."""
    _quick(monkeypatch)

    def make(state, file, damage):
        folder = tmp_path / f"{state}-{damage.__name__}-{file.replace('/', '-')}"
        shutil.copytree(built[state], folder)
        monkeypatch.chdir(folder)
        (run,) = Path().glob("runs/rl/*/*/*")
        damage(run / file)
        return run

    return make


def test_the_table_has_every_file_and_no_other(built):
    found = set()
    for folder in built.values():
        (run,) = folder.glob("runs/rl/*/*/*")
        for file in files_of(run):
            matching = [pattern for pattern in TABLE if fnmatch(file, pattern)]
            assert len(matching) == 1, file
            found |= set(matching)
    of_others = {"test.*.txt", "epochs/*", "rounds/*", "sharpness.json", "evaluations.jsonl"}
    assert all(any(fnmatch(p, other) for other in of_others) for p in set(TABLE) - found)


def follow(run, file, error, command):
    """What the error advises; returns the command to be given then."""
    aside = Path("aside")
    aside.mkdir(exist_ok=True)
    if "--without-replay true" in error:
        return [*command, "--without-replay=true"]
    if "move the run away" in error:
        run.rename(aside / "run")
    else:
        assert "move it away" in error or f"move {file} away" in error
        (run / file).rename(aside / "file")
    return command


EVERY = "WDBENCH_EVERY_DAMAGE" in os.environ
TRAINED = DAMAGES if EVERY else (flip, delete, folder_in_its_place)
CASES = [(state, damage) for damage in TRAINED for state in ("late", "early")[: 1 + EVERY]]


@pytest.mark.parametrize("pattern", TABLE)
def test_an_unfinished_run_goes_on_or_says_how(built, damaged, pattern, capsys):
    (whole,) = built["finished"].glob("runs/rl/*/*/*")
    rows, weights = result_of(whole)
    _, then = TABLE[pattern]
    for state, damage in CASES:
        (source,) = built[state].glob("runs/rl/*/*/*")
        for file in [file for file in files_of(source) if fnmatch(file, pattern)]:
            where = f"{state}, {file}, {damage.__name__}"
            run = damaged(state, file, damage)
            capsys.readouterr()
            command, code = COMMAND, main(COMMAND)
            error = capsys.readouterr().err
            if code:
                assert code == 2, where
                assert "ends" in then, f"{where}: {error}"
                assert str(run / file) in error or str((run / file).parent) in error, error
                command = follow(run, file, error, COMMAND)
                code = main(command)
                error = capsys.readouterr().err
            assert code == 0, f"{where}: {error}"
            (run,) = Path().glob("runs/rl/*/*/*")
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


@pytest.mark.parametrize("pattern", TABLE)
def test_a_finished_run_is_shown_as_it_was_or_the_damage_is_named(built, damaged, pattern, capsys):
    noticed, then = TABLE[pattern]
    (whole,) = built["finished"].glob("runs/rl/*/*/*")
    with chdir(built["finished"]):
        assert main(["table", "runs"]) == 0
    shown = capsys.readouterr().out
    for file in [file for file in files_of(whole) if fnmatch(file, pattern)]:
        for damage in DAMAGES:
            where = f"{file}, {damage.__name__}"
            run = damaged("finished", file, damage)
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
            command, code = COMMAND, main(COMMAND)
            error = capsys.readouterr().err
            if code:
                assert (code, "ends" in then) == (2, True), f"{where}: {error}"
                code = main(follow(run, file, error, command))
                error = capsys.readouterr().err
            assert code == 0, f"{where}: {error}"
