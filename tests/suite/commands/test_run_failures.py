"""`run rl` around a training that fails, and around damaged checkpoints."""

import errno
import hashlib
import io
import json
import shutil
from pathlib import Path

import pytest
import torch

from rl.workload import WORKLOAD as RL
from suite.__main__ import main
from tests.suite.run_files import SMALL, record, run_paths
from workload.errors import UserError

REAL_POSITION = RL.checkpoint_position
pytestmark = pytest.mark.usefixtures("no_drawing")


def test_an_unexpected_error_is_kept_with_its_traceback(training, capsys):
    training(error=RuntimeError("the sky fell"))
    assert main([*SMALL, "--seed", "0", "1"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("wdbench: failed: RuntimeError: the sky fell\n")
    assert "Traceback" not in error
    for path in run_paths():
        failed = record(path, "failed.json")
        assert failed["error"] == "RuntimeError: the sky fell"
        assert "Traceback (most recent call last):" in failed["traceback"]
        assert not (path / "done.json").exists()
        assert record(path, "meta.json")["sessions"][0]["status"] == "failed"
    fake = training()
    assert main([*SMALL, "--seed", "0", "1"]) == 0
    assert len(fake.calls) == 1
    assert not list(Path().rglob("failed.json"))


def test_a_failure_is_recorded_where_it_happened(training):
    arguments = [*SMALL, "--seed", "0", "1"]
    training(error=RuntimeError("first"))
    main(arguments)
    first, second = run_paths()
    (second / "failed.json").unlink()
    training(positions={first: (1, 0, 0), second: (2, 0, 0)}, error=RuntimeError("again"))
    assert main(arguments) == 1
    assert record(first, "failed.json")["error"] == "RuntimeError: again"
    assert not (second / "failed.json").exists()
    assert len(record(second, "meta.json")["sessions"]) == 1


def refuse(recipe, members, logs, machine, **options):
    """As where another run that is read does not fit."""
    for log in logs:
        log.rewind({})
    raise UserError("match_norms: is of another architecture")


def test_bad_input_that_training_finds_leaves_no_run_behind(training, monkeypatch, capsys):
    training()
    main([*SMALL, "--seed", "0"])
    (before,) = run_paths()
    monkeypatch.setattr(RL, "train", refuse)
    for others in (["1", "2"], ["3", "--scheme", "l2", "--weight-decay", "1e-4"]):
        assert main([*SMALL, "--seed", *others]) == 2
        assert "another architecture" in capsys.readouterr().err
    assert run_paths() == [before]
    assert list(before.parents[1].iterdir()) == [before.parent]


def test_bad_input_leaves_a_run_that_has_rows(training):
    training(error=UserError("the trunk was moved away meanwhile"))
    assert main([*SMALL, "--seed", "0"]) == 2
    (run,) = run_paths()
    assert (run / "metrics.jsonl").read_text()


def test_bad_input_leaves_a_run_that_was_there(training, monkeypatch):
    training(error=RuntimeError("the sky fell"))
    main([*SMALL, "--seed", "0"])
    (run,) = run_paths()
    for rows in run.glob("*.jsonl"):
        rows.write_text("")
    monkeypatch.setattr(RL, "train", refuse)
    assert main([*SMALL, "--seed", "0"]) == 2
    assert run_paths() == [run]


@pytest.mark.parametrize("error", [None, FileNotFoundError("metrics.jsonl")])
def test_a_run_that_was_deleted_while_it_trained_is_not_finished(error, training, capsys):
    fake = training()

    def delete(recipe, members, logs, machine, **options):
        outcomes = fake(recipe, members, logs, machine, **options)
        shutil.rmtree(logs[1].path)
        if error:
            raise error
        return outcomes

    RL.train = delete
    assert main([*SMALL, "--seed", "0", "1"]) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("wdbench: error: runs/rl/Pong/none/seed1-")
    assert "was moved or deleted while it was being trained" in message
    (there,) = run_paths()
    assert (there / ("failed.json" if error else "done.json")).exists()
    RL.train = fake
    assert main([*SMALL, "--seed", "0", "1"]) == 0
    assert all((path / "done.json").exists() for path in run_paths())


class FullDisk(io.BytesIO):
    def write(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")


def error_of(write):
    with pytest.raises((OSError, RuntimeError)) as raised:
        write()
    return raised.value


@pytest.mark.parametrize(
    "write", [lambda: FullDisk().write(b"row"), lambda: torch.save({}, FullDisk())]
)
def test_a_full_disk_is_one_sentence_and_no_failure_of_the_run(write, training, capsys):
    training(error=error_of(write))
    assert main(SMALL) == 2
    error = capsys.readouterr().err
    assert error == (
        "wdbench: error: no space is left on the disk of runs; "
        "make room and give the same command again\n"
    )
    (path,) = run_paths()
    assert not (path / "failed.json").exists()
    assert record(path, "meta.json")["sessions"][0]["status"] == "unfinished"


@pytest.fixture
def cut_off(training):
    """The fake training, and the checkpoint folder of a run that it has not finished."""
    fake = training()
    main([*SMALL, "--seed", "0"])
    (path,) = run_paths()
    (path / "done.json").unlink()
    folder = path / "checkpoint"
    folder.mkdir()
    RL.checkpoint_position = REAL_POSITION
    return fake, folder


@pytest.mark.parametrize("text", [b"", b"\xff\x00", b"[]", b"{}", b'{"latest": 3}'])
def test_a_damaged_pointer_of_one_run_leaves_no_directory_of_another(text, cut_off, capsys):
    fake, folder = cut_off
    path, pointer = folder.parent, folder / "checkpoint.json"
    pointer.write_bytes(text)
    capsys.readouterr()
    assert main([*SMALL, "--seed", "0", "1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"wdbench: error: checkpoint {pointer}: is damaged")
    assert "nothing was deleted" in error
    assert run_paths() == [path]
    assert pointer.read_bytes() == text
    assert not (path / "failed.json").exists()
    assert len(fake.calls) == 1


def test_states_without_their_pointer_are_not_trained_over(cut_off, capsys):
    fake, folder = cut_off
    states = [folder / "200.pt", folder / "400.pt"]
    for state in states:
        state.write_bytes(b"state")
    assert main([*SMALL, "--seed", "0"]) == 2
    error = capsys.readouterr().err
    assert f"checkpoint {folder / 'checkpoint.json'}: is missing; nothing was deleted" in error
    assert all(state.exists() for state in states)
    assert len(fake.calls) == 1


def test_a_damaged_state_is_found_before_anything_is_made(cut_off, capsys):
    fake, folder = cut_off
    entries = {}
    for name in ("latest", "previous"):
        (folder / f"{name}.pt").write_bytes(b"state")
        digest = hashlib.sha256(b"state").hexdigest()
        place = {"position": [0, 0, 5], "rows": 5}
        entries[name] = {"file": f"{name}.pt", "sha256": digest, **place}
    (folder / "checkpoint.json").write_text(json.dumps(entries))
    (folder / "latest.pt").write_bytes(b"stat3")
    (folder / "previous.pt").write_bytes(b"stat3")
    assert main([*SMALL, "--seed", "0", "1"]) == 2
    error = capsys.readouterr().err
    for name in entries:
        assert f"{folder / name}.pt is damaged: it is not what was written" in error
    assert run_paths() == [folder.parent]
    (folder / "previous.pt").write_bytes(b"state")
    assert main([*SMALL, "--seed", "0", "1"]) == 0
    assert f"{folder / 'latest.pt'} is damaged" in capsys.readouterr().err
    assert [member.seed for call in fake.calls for member, _ in call] == [0, 0, 1]


def test_a_damaged_checkpoint_is_one_sentence_and_deletes_nothing(training, capsys):
    training(error=UserError("checkpoint 0001.pt: is damaged"))
    assert main(SMALL) == 2
    printed = capsys.readouterr()
    assert printed.err == "wdbench: error: checkpoint 0001.pt: is damaged\n"
    (path,) = run_paths()
    assert not (path / "failed.json").exists()
