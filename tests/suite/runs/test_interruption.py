"""Real training in a process of its own, stopped by real signals: the same command finishes it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from suite.__main__ import main
from suite.runs.stop import STOPPING

pytestmark = pytest.mark.slow

STEPS, EVERY = 2400, 100
TINY = f"""\
iterations: 1
training_steps: {STEPS}
evaluation_steps: 0
log_every: {EVERY}
warm_up: 80
update_every: 20
batch_size: 4
replay_capacity: 2000
epsilon_steps: 160
target_every: 80
max_episode_steps: 120
padding: valid
checkpoint_every: 800
device: cpu
threads: 1
scheme: separated
weight_decay: 1e-3
"""
COMMAND = ["run", "rl", "--config", "tiny.yaml"]


def start(folder):
    (folder / "tiny.yaml").write_text(TINY)
    return subprocess.Popen(
        [sys.executable, "-m", "suite", *COMMAND],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows(folder):
    texts = [path.read_text() for path in folder.rglob("metrics.jsonl")]
    whole = [line for text in texts for line in text.splitlines(keepends=True) if "\n" in line]
    return [json.loads(line) for line in whole]


def stop_after(folder, step, number):
    """Start, send a signal as soon as a row beyond `step` is there; returns the exit code."""
    process = start(folder)
    for _ in range(6000):
        if any(row["agent_steps"] > step for row in rows(folder)):
            break
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(number)
    error = process.communicate(timeout=120)[1]
    assert error == ("" if number == signal.SIGKILL else f"{STOPPING}\n")
    return process.returncode


def finish(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "tiny.yaml").write_text(TINY)
    assert main(COMMAND) == 0
    return [(row["agent_steps"], row["loss"], row["optim/weight_norm"]) for row in rows(folder)]


def statuses(folder):
    (meta,) = folder.rglob("meta.json")
    return [session["status"] for session in json.loads(meta.read_text())["sessions"]]


def test_a_run_that_was_asked_to_stop_and_killed_is_finished_with_every_row_once(
    tmp_path, monkeypatch
):
    (disturbed := tmp_path / "disturbed").mkdir()
    (undisturbed := tmp_path / "undisturbed").mkdir()
    assert stop_after(disturbed, 0, signal.SIGTERM) == 143
    assert not list(disturbed.rglob("done.json"))
    assert stop_after(disturbed, rows(disturbed)[-1]["agent_steps"], signal.SIGINT) == 130
    assert stop_after(disturbed, 1200, signal.SIGKILL) == -signal.SIGKILL
    assert statuses(disturbed) == ["unfinished", "unfinished", "running"]
    finished = finish(disturbed, monkeypatch)
    assert [step for step, _, _ in finished] == list(range(EVERY, STEPS + 1, EVERY))
    assert statuses(disturbed)[-1] == "finished"
    assert not list(disturbed.rglob("replay"))
    assert finished == finish(undisturbed, monkeypatch)
