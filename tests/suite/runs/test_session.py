"""What meta.json keeps of a session, and what a run says that goes on in other circumstances."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from suite.runs.session import recorded_session, rounds_otherwise, session_record
from tests.suite.batch.grids import SMALL, grid_of
from workload.checkpoint_files import CheckpointFiles
from workload.files import read_json
from workload.recipe import MachineBase

MACHINE = MachineBase(device="cpu")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = grid_of(SMALL).runs[0].run
    run.create()
    return run


def session(run, machine):
    with recorded_session([run], ["wdbench"], machine):
        pass


def save(run):
    files = CheckpointFiles(run.path)
    digest = files.write("state.pt", lambda stream: stream.write(b"state"))
    files.publish({"file": "state.pt", "sha256": digest, "position": [1]})


def test_a_session_keeps_the_threads_and_the_device_that_computed(run):
    session(run, replace(MACHINE, threads=3))
    (kept,) = read_json(run.path / "meta.json")["sessions"]
    assert (kept["threads"], kept["device"]) == (3, "cpu")


def test_a_run_that_goes_on_with_other_threads_says_so(run, capsys):
    session(run, MACHINE)
    save(run)
    session(run, MACHINE)
    assert capsys.readouterr().out == ""
    session(run, replace(MACHINE, threads=2))
    assert "goes on with threads 2 in place of 1" in capsys.readouterr().out


def test_a_run_that_begins_once_more_goes_on_with_nothing(run, capsys):
    session(run, MACHINE)
    session(run, replace(MACHINE, threads=2))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"threads": 2}, "threads 2 in place of 1"),
        ({"device": "cuda"}, "device cuda in place of cpu"),
        ({"hardware": {"cpu": "another"}}, "processor another in place of mine"),
        ({"versions": {"torch": "3.0"}}, "torch 3.0 in place of 2.13"),
        ({"hardware": {"cpu": "mine", "host": "elsewhere"}}, ""),
        ({"threads": None}, ""),
    ],
)
def test_whatever_decides_the_last_bits_is_compared_and_nothing_else(change, text):
    before = {
        "threads": 1,
        "device": "cpu",
        "hardware": {"cpu": "mine", "host": "here"},
        "versions": {"torch": "2.13"},
    }
    assert rounds_otherwise(before, before | change) == text
    assert rounds_otherwise({}, before | change) == ""  # of a session that recorded less


def test_the_record_names_the_torch_that_runs():
    recorded = session_record([], MACHINE)["versions"]["torch"]
    assert recorded.partition("+")[0] == torch.__version__.partition("+")[0]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, {"GOMP_SPINCOUNT": "1000"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
    ],
)
def test_idle_threads_give_their_core_away_unless_the_user_says_how_they_wait(own, expected):
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    code = (
        "import os, sys, suite.__main__; assert 'torch' not in sys.modules; "
        f"print({{name: os.environ[name] for name in {names} if name in os.environ}})"
    )
    clean = {name: value for name, value in os.environ.items() if name not in names}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=clean | own, capture_output=True, text=True, check=True
    )
    assert answer.stdout == f"{expected}\n"
