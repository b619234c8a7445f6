"""`run rl` in a process of its own, around a scripted training: signals and the lock."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rl.workload import WORKLOAD as RL
from suite.__main__ import main
from suite.runs.stop import STOPPING
from tests.suite.run_files import SMALL, record, run_paths
from workload import resources
from workload.errors import UserError


def start(tmp_path, *argv, **script):
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.suite.fake_training", json.dumps(script), *SMALL, *argv],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"),
    [
        *((signal.SIGINT, 130), (signal.SIGTERM, 143)),
        *((signal.SIGHUP, 129), (signal.SIGUSR1, 138)),
    ],
)
def test_a_signal_leaves_a_run_that_can_be_resumed(number, code, tmp_path):
    process = start(tmp_path, chunks=1000, pause=0.05)
    process.send_signal(number)
    out, error = process.communicate(timeout=30)
    assert process.returncode == code
    assert error == f"{STOPPING}\n"
    assert "The same command resumes" in out
    (config,) = tmp_path.rglob("config.json")
    assert not (config.parent / "done.json").exists()
    assert record(config.parent, "meta.json")["sessions"][0]["status"] == "unfinished"


@pytest.mark.slow
def test_a_second_interrupt_does_not_wait(tmp_path):
    process = start(tmp_path, chunks=2, pause=60.0)
    assert any(line.startswith("Pong iteration 1/1") for line in process.stdout)
    time.sleep(0.5)  # until it pauses
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130


@pytest.mark.parametrize("surfaces", [RuntimeError("unexpected pos"), UserError("damaged")])
def test_a_second_interrupt_is_no_failure_whatever_surfaces(
    surfaces, training, monkeypatch, capsys
):
    training()

    def interrupted_while_saving(*_, **__):
        os.kill(os.getpid(), signal.SIGINT)
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise surfaces from None

    monkeypatch.setattr(RL, "train", interrupted_while_saving)
    assert main([*SMALL, "--seed", "0", "1"]) == 130
    assert capsys.readouterr().err == f"{STOPPING}\n"
    assert not list(Path().rglob("failed.json"))
    for path in run_paths():
        assert record(path, "meta.json")["sessions"][0]["status"] == "unfinished"


@pytest.mark.slow
def test_a_second_process_on_the_same_run_exits_with_a_message(tmp_path, monkeypatch, capsys):
    process = start(tmp_path, chunks=1000, pause=0.05)
    monkeypatch.chdir(tmp_path)
    # Not that memory is short, though it is: the other process has taken it.
    monkeypatch.setattr(resources, "free_memory", lambda: 0)
    assert main(SMALL) == 2
    assert f"is being trained by process {process.pid}" in capsys.readouterr().err
    process.terminate()
    process.communicate(timeout=30)
