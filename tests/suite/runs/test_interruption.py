"""Real training in a process of its own, stopped by real signals: the same command finishes it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from suite.runs.stop import STOPPING

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


def start(folder):
    (folder / "tiny.yaml").write_text(TINY)
    return subprocess.Popen(
        [sys.executable, "-m", "suite", "run", "rl", "--config", "tiny.yaml"],
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


def finish(folder):
    process = start(folder)
    error = process.communicate(timeout=300)[1]
    assert (process.returncode, error) == (0, "")
    return [(row["agent_steps"], row["loss"], row["optim/weight_norm"]) for row in rows(folder)]


def statuses(folder):
    (meta,) = folder.rglob("meta.json")
    return [session["status"] for session in json.loads(meta.read_text())["sessions"]]


@pytest.fixture(scope="module")
def signalled(tmp_path_factory):
    """The rows of a run that was asked to stop twice and then finished."""
    folder = tmp_path_factory.mktemp("signalled")
    assert stop_after(folder, 0, signal.SIGTERM) == 143
    assert not list(folder.rglob("done.json"))
    reached = rows(folder)[-1]["agent_steps"]
    assert stop_after(folder, reached, signal.SIGINT) == 130
    finished = finish(folder)
    assert statuses(folder) == ["unfinished", "unfinished", "finished"]
    assert not list(folder.rglob("replay"))
    return finished


def test_a_run_that_was_asked_to_stop_is_finished_by_the_same_command(signalled):
    assert [step for step, _, _ in signalled] == list(range(EVERY, STEPS + 1, EVERY))


def test_a_killed_run_is_finished_with_no_row_twice_and_none_different(signalled, tmp_path):
    assert stop_after(tmp_path, 1200, signal.SIGKILL) == -signal.SIGKILL
    assert list(tmp_path.rglob("checkpoint.json"))
    assert statuses(tmp_path) == ["running"]
    assert finish(tmp_path) == signalled
    assert statuses(tmp_path) == ["running", "finished"]
