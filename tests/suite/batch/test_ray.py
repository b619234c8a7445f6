"""Batches on real Ray workers, killed at bad moments."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from suite.__main__ import main
from suite.batch import ray_pool
from suite.batch.capacity import Capacity
from suite.runs.heartbeat import FILE
from tests.suite.batch.grids import grid_of, write_grid
from workload.files import read_json
from workload.resources import FreeMemory

pytest.importorskip("ray", reason="the extra `batch` is not installed")

TINY = """\
workload: rl
preset: demo
base:
  training_steps: 500
  evaluation_steps: 0
  warm_up: 100
  log_every: 100
  checkpoint_every: 100
  update_every: 10
  batch_size: 4
axes:
  game: [Pong, Breakout]
  scheme: [l2]
  weight_decay: [1.0e-3]
"""
LONG = TINY.replace("training_steps: 500", "training_steps: 100_000")
"""No run ends before what a test does to it."""
BATCH = [sys.executable, "-m", "suite", "batch", "grid.yaml", "--jobs", "2", "--device", "cpu"]
IMPATIENT = """
import sys
sys.path.remove("")
from suite.__main__ import main
from suite.batch import ray_pool
ray_pool.LOOK, ray_pool.SILENCE = 0.5, 2.0
sys.exit(main())
"""
"""Takes a head for ended after seconds, not after half a minute."""
ROWS = ("metrics.jsonl", "eval.jsonl")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = Path(__file__).parents[3]
    paths = [str(root), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    write_grid(TINY)
    Path("rl").mkdir()  # a user's own package: workers must not take it for ours
    Path("rl", "__init__.py").write_text("raise SystemExit('a module of the user was imported')")


def start_batch(command=BATCH):
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def trainer_of(run):
    """The process that trains a run, once it has passed its first checkpoint."""
    for _ in range(1_200):
        time.sleep(0.1)
        with suppress(KeyError, TypeError):
            if (run.path / "checkpoint" / "checkpoint.json").exists():
                return read_json(run.path / FILE)["process"]
    raise AssertionError("the batch did not come to a checkpoint")


def rows(runs):
    return {
        (run.recipe.game, name): (runs / run.run.path.relative_to("runs") / name).read_bytes()
        for run in grid_of(TINY).runs
        for name in ROWS
    }


@pytest.mark.slow
def test_a_batch_whose_worker_and_then_driver_are_killed_ends_as_an_undisturbed_one():
    pong, breakout = (run.run for run in grid_of(TINY).runs)
    driver = start_batch()
    os.kill(trainer_of(pong), signal.SIGKILL)
    os.kill(trainer_of(breakout), 0)  # the other one trains on
    trainer = trainer_of(breakout)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    for _ in range(300):  # its workers follow it
        time.sleep(0.1)
        with suppress(ProcessLookupError):
            os.kill(trainer, 0)
            continue
        break
    again = subprocess.run(BATCH, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2 of 2 done" in again.stdout
    assert main([*BATCH[3:], "--runs", "undisturbed", "--jobs", "1"]) == 0
    assert rows(Path("runs")) == rows(Path("undisturbed"))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_batch_saves_and_ends_with_the_signals_code(number, code):
    pong, breakout = (run.run for run in grid_of(LONG).runs)
    driver = start_batch()
    trainer_of(pong)
    trainer_of(breakout)
    driver.send_signal(number)
    output, _ = driver.communicate(timeout=60)
    assert driver.returncode == code
    assert b"The same command goes on" in output
    assert {run.status() for run in (pong, breakout)} == {"unfinished"}
    assert not (pong.path / FILE).exists()


@pytest.mark.slow
def test_a_batch_whose_rays_head_is_killed_ends_with_the_picture_and_what_to_do():
    pong, _ = (run.run for run in grid_of(LONG).runs)
    process = start_batch([sys.executable, "-c", IMPATIENT, *BATCH[3:]])
    trainer_of(pong)
    (head,) = (
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "gcs_server" in child.name()
    )
    head.kill()
    out, _ = process.communicate(timeout=120)
    text = out.decode()
    assert process.returncode == 1, text
    assert "the Ray cluster has ended" in text
    assert "grid.yaml: " in text
    assert "The same command goes on where the last checkpoints stand." in text


def test_what_ray_keeps_from_others_is_a_secret_of_the_batch(monkeypatch):
    monkeypatch.setattr(ray_pool, "_import_ray", lambda: SimpleNamespace(init=lambda **_: None))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "")
    secrets = set()
    for _ in range(2):
        ray_pool.embedded(Capacity(1, 1, 0.0, FreeMemory(10**9, 0)))
        assert os.environ["RAY_AUTH_MODE"] == "token"
        secrets.add(os.environ["RAY_AUTH_TOKEN"])
    assert len(secrets) == 2
    assert {len(bytes.fromhex(secret)) for secret in secrets} == {32}


def test_a_token_that_ray_has_made_for_everybodys_eyes_is_its_owners(tmp_path, monkeypatch):
    token = tmp_path / "auth_token"
    token.write_text("secret")
    token.chmod(0o644)
    monkeypatch.setattr(ray_pool, "TOKEN", token)
    monkeypatch.setenv("RAY_AUTH_MODE", "")
    ray_pool._import_ray()
    assert token.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("length", "chosen"), [(10, True), (90, False)])
def test_a_long_folder_of_temporary_files_leaves_room_for_a_sockets_path(
    length, chosen, monkeypatch
):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", "/" + length * "x")
    folder = ray_pool._folder_of_sockets()
    assert (folder is None) is chosen
    used = folder or os.environ["TMPDIR"]
    session = "ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
    assert len(f"{used}/{session}") <= 107
