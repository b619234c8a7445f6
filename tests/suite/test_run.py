"""`run rl` around a scripted training: records, resuming, failures and signals."""

import errno
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import suite.plot
import suite.rl
from suite import resources
from suite.__main__ import main
from suite.errors import UserError

SMALL = ["run", "rl", "--replay-capacity", "20000", "--device", "cpu"]
REAL_POSITION = suite.rl.position
FOUR = ["--scheme", "none", "l2", "decoupled", "separated", "--weight-decay", "1e-3"]


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch):
    monkeypatch.setattr(suite.plot, "plot", lambda runs, out: out)


def run_paths():
    return sorted(path.parent for path in Path().rglob("config.json"))


def record(path, name):
    return json.loads((path / name).read_text())


def test_a_finished_run_leaves_its_records(training, capsys):
    training()
    assert main([*SMALL, "--seed", "4"]) == 0
    (path,) = run_paths()
    assert record(path, "config.json")["member"] == {
        "scheme": "none",
        "weight_decay": 0.0,
        "seed": 4,
    }
    assert record(path, "done.json")["status"] == "finished"
    assert record(path, "done.json")["figures"] == {"loss": 0.5}
    (session,) = record(path, "meta.json")["sessions"]
    assert session["status"] == "finished"
    assert session["argv"][1:] == [*SMALL, "--seed", "4"]
    assert session["versions"]["torch"]
    assert session["hardware"]["cores"] >= 1
    assert session["end"] >= session["start"]
    assert str(path / "plot.png") in capsys.readouterr().out


def test_running_it_again_says_so_and_trains_nothing(training, capsys):
    fake = training()
    assert main(SMALL) == 0
    capsys.readouterr()
    assert main(SMALL) == 0
    assert len(fake.calls) == 1
    assert "is already finished" in capsys.readouterr().out


def test_only_the_missing_members_are_trained(training):
    fake = training()
    assert main([*SMALL, "--seed", "0"]) == 0
    assert main([*SMALL, "--seed", "0", "1", "2"]) == 0
    assert [member.seed for member, _, _ in fake.calls[1]] == [1, 2]


def test_a_population_is_one_call_and_a_directory_per_member(training, capsys):
    fake = training()
    assert main([*SMALL, *FOUR]) == 0
    assert [len(call) for call in fake.calls] == [4]
    names = {path.parent.name for path in run_paths()}
    assert names == {"none", "l2-1e-3", "decoupled-1e-3", "separated-1e-3"}
    assert "plot-" in capsys.readouterr().out


def test_members_at_different_positions_train_apart(training):
    training()
    arguments = [*SMALL, "--seed", "0", "1", "2"]
    main(arguments)
    for path in run_paths():
        (path / "done.json").unlink()
    first, second, third = run_paths()
    fake = training(positions={first: (1, 0, 0), second: None, third: (1, 0, 0)})
    assert main(arguments) == 0
    assert [[member.seed for member, _, _ in call] for call in fake.calls] == [[0, 2], [1]]


def test_a_diverged_member_stops_alone_and_the_table_says_so(training, capsys):
    training(statuses={"l2": "diverged"})
    assert main([*SMALL, *FOUR]) == 0
    statuses = {path.parent.name: record(path, "done.json")["status"] for path in run_paths()}
    assert statuses.pop("l2-1e-3") == "diverged"
    assert set(statuses.values()) == {"finished"}
    assert re.search(r"l2 +0\.001 +0 +diverged", capsys.readouterr().out)


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


@pytest.mark.parametrize("status", ["finished", "diverged"])
def test_the_replay_is_deleted_once_the_run_is_done(status, training, monkeypatch):
    training(statuses={"none": status})
    seen = []
    discard = suite.rl.discard
    monkeypatch.setattr(
        suite.rl, "discard", lambda run: (seen.append((run / "done.json").exists()), discard(run))
    )
    training(error=RuntimeError("before the end"))
    main(SMALL)
    (path,) = run_paths()
    segment = path / "replay" / "000000000000.rows"
    segment.parent.mkdir()
    segment.touch()
    training(statuses={"none": status})
    assert main(SMALL) == 0
    assert seen == [True]
    assert not segment.parent.exists()


def test_a_replay_that_a_kill_left_behind_a_finished_run_is_deleted(training):
    training()
    main(SMALL)
    (path,) = run_paths()
    (path / "replay").mkdir()
    (path / "replay" / "000000000000.rows").touch()
    assert main(SMALL) == 0
    assert not (path / "replay").exists()


def test_a_full_disk_is_one_sentence(training, capsys):
    training(error=OSError(errno.ENOSPC, "No space left on device", "metrics.jsonl"))
    assert main(SMALL) == 1
    assert "No space left on device: 'metrics.jsonl'" in capsys.readouterr().err


def test_it_says_before_training_what_it_takes_and_which_runs_start(training, capsys):
    training()
    main([*SMALL, "--seed", "0", "1"])
    first, second = run_paths()
    lines = capsys.readouterr().out.splitlines()
    memory = "the replay takes 2 x 20,000 transitions = 2 x 141 MB = 283 MB, a batch 2.26 MB"
    assert lines[:3] == [memory, f"{first} starts", f"{second} starts"]
    for path in run_paths():
        (path / "done.json").unlink()
    training(positions={first: (0, 1, 0), second: (0, 1, 0)})
    main([*SMALL, "--seed", "0", "1"])
    assert capsys.readouterr().out.splitlines()[1] == f"{first} resumes"


@pytest.mark.parametrize("text", [b"", b"\xff\x00", b"[]", b"{}", b'{"latest": 3}'])
def test_a_damaged_pointer_of_one_run_leaves_no_directory_of_another(text, training, capsys):
    fake = training()
    main([*SMALL, "--seed", "0"])
    (path,) = run_paths()
    (path / "done.json").unlink()
    pointer = path / "checkpoint" / "checkpoint.json"
    pointer.parent.mkdir()
    pointer.write_bytes(text)
    suite.rl.position = REAL_POSITION
    capsys.readouterr()
    assert main([*SMALL, "--seed", "0", "1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"wdbench: error: checkpoint {pointer}: is damaged")
    assert "nothing was deleted" in error
    assert run_paths() == [path]
    assert pointer.read_bytes() == text
    assert not (path / "failed.json").exists()
    assert len(fake.calls) == 1


def test_a_damaged_state_is_found_before_anything_is_made(training, capsys):
    fake = training()
    main([*SMALL, "--seed", "0"])
    (path,) = run_paths()
    (path / "done.json").unlink()
    folder = path / "checkpoint"
    folder.mkdir()
    entries = {}
    for name in ("latest", "previous"):
        (folder / f"{name}.pt").write_bytes(b"state")
        digest = hashlib.sha256(b"state").hexdigest()
        place = {"position": [0, 0, 5], "rows": 5}
        entries[name] = {"file": f"{name}.pt", "sha256": digest, **place}
    (folder / "checkpoint.json").write_text(json.dumps(entries))
    (folder / "latest.pt").write_bytes(b"stat3")
    suite.rl.position = REAL_POSITION
    assert main([*SMALL, "--seed", "0", "1"]) == 2
    error = capsys.readouterr().err
    assert f"checkpoint {folder / 'latest.pt'}: is damaged" in error
    assert "--from-previous-checkpoint resumes from the one before" in error
    assert run_paths() == [path]
    assert main([*SMALL, "--seed", "0", "1", "--from-previous-checkpoint"]) == 0
    assert [member.seed for call in fake.calls for member, _, _ in call] == [0, 0, 1]


def test_a_damaged_checkpoint_is_one_sentence_and_deletes_nothing(training, capsys):
    training(error=UserError("checkpoint 0001.pt: is damaged"))
    assert main(SMALL) == 2
    printed = capsys.readouterr()
    assert printed.err == "wdbench: error: checkpoint 0001.pt: is damaged\n"
    (path,) = run_paths()
    assert not (path / "failed.json").exists()


def test_the_previous_checkpoint_is_passed_on(training):
    fake = training()
    assert main([*SMALL, "--from-previous-checkpoint"]) == 0
    assert fake.calls[0][0][2] is True


def test_machine_knobs_reach_training(training):
    fake = training()
    assert main([*SMALL, "--threads", "1", "--checkpoint-every", "5000"]) == 0
    machine = suite.rl.Machine(device="cpu", threads=1, checkpoint_every=5000)
    assert fake.calls[0][0][1] == machine


def test_print_config_states_memory_and_directories_and_makes_nothing(training, capsys):
    training()
    assert main(["run", "rl", "--seed", "0", "1", "2", "--print_config"]) == 0
    out = capsys.readouterr().out
    assert (
        "# the replay takes 3 x 1,000,000 transitions = 3 x 7.07 GB = 21.2 GB, a batch 3.39 MB"
        in out
    )
    assert out.count("# run: runs/rl/Pong/none/seed") == 3
    assert not list(Path().iterdir())


def start(tmp_path, *argv, **script):
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.suite.fake_training", json.dumps(script), *SMALL, *argv],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(300):
        if list(tmp_path.rglob("metrics.jsonl")):
            return process
        time.sleep(0.1)
    raise AssertionError(process.communicate())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_run_that_can_be_resumed(number, code, tmp_path):
    process = start(tmp_path, chunks=1000, pause=0.05)
    process.send_signal(number)
    out, error = process.communicate(timeout=30)
    assert process.returncode == code
    assert error == ""
    assert "The same command resumes" in out
    (config,) = tmp_path.rglob("config.json")
    assert not (config.parent / "done.json").exists()
    assert record(config.parent, "meta.json")["sessions"][0]["status"] == "unfinished"


def test_a_second_interrupt_does_not_wait(tmp_path):
    process = start(tmp_path, chunks=2, pause=60.0)
    assert any(line.startswith("Pong iteration 1/1") for line in process.stdout)
    time.sleep(0.5)  # until it pauses
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130


def test_a_second_process_on_the_same_run_exits_with_a_message(tmp_path, monkeypatch, capsys):
    process = start(tmp_path, chunks=1000, pause=0.05)
    monkeypatch.chdir(tmp_path)
    # Not that memory is short, though it is: the other process has taken it.
    monkeypatch.setattr(resources, "free_memory", lambda: 0)
    assert main(SMALL) == 2
    assert f"is being trained by process {process.pid}" in capsys.readouterr().err
    process.terminate()
    process.communicate(timeout=30)
