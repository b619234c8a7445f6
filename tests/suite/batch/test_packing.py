"""Runs as jobs."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from rl.memory import batch_bytes, raw_replay_bytes, replay_bytes
from rl.workload import PROCESS_MEMORY
from suite.batch.capacity import Capacity, Demand, Node
from suite.batch.packing import fitting_capacity, pack, split_job
from suite.config.request import read_request
from suite.registry import load
from tests.suite.batch.grids import SMALL, grid_of
from workload.checkpoint_files import CheckpointFiles
from workload.resources import FreeMemory

PLENTY = Capacity(jobs=1, cpus=1, gpus=0.0, memory=FreeMemory(10**12, 0))
RUNS = Path("runs")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def sizes(jobs):
    return [(job.recipe.game, len(job.members)) for job in jobs]


def room_for(members):
    """FreeMemory of a process that trains just so many, from the sizes of their arrays."""
    return PROCESS_MEMORY + replay_bytes(members, 20_000) + batch_bytes(members, 32, 1)


def test_every_run_is_in_one_job_with_its_own_recipe():
    grid = grid_of(SMALL)
    jobs = pack(grid.runs, replace(PLENTY, jobs=5), RUNS)
    packed = Counter(run.path for job in jobs for run in job.runs)
    assert packed == Counter(run.run.path for run in grid.runs)


def test_runs_of_one_game_are_one_population_where_they_fit():
    assert sizes(pack(grid_of(SMALL).runs, PLENTY, RUNS)) == [("Breakout", 6), ("Pong", 6)]


def test_populations_are_no_larger_than_leaves_work_for_all_jobs():
    jobs = pack(grid_of(SMALL).runs, replace(PLENTY, jobs=4), RUNS)
    assert sizes(jobs) == [("Breakout", 3), ("Breakout", 3), ("Pong", 3), ("Pong", 3)]


@pytest.mark.parametrize(("memory", "expected"), [(room_for(2), 2), (room_for(2) - 1, 1)])
def test_populations_fit_the_memory_of_a_job(memory, expected):
    jobs = pack(grid_of(SMALL).runs, replace(PLENTY, memory=FreeMemory(memory, 0)), RUNS)
    assert {len(job.members) for job in jobs} == {expected}


@pytest.mark.parametrize(
    ("cores", "members", "jobs"),
    [([8], 3, 3), ([8], 20, 8), ([8], 0, 1), ([8, 8], 3, 6), ([8, 2], 3, 5)],
)
def test_no_more_jobs_at_once_than_a_machine_has_room_for(cores, members, jobs):
    nodes = [Node(members * room_for(1), each, ()) for each in cores]
    assert fitting_capacity(Demand(), nodes, grid_of(SMALL).runs).jobs == jobs


def test_beside_a_gpu_as_many_are_packed_as_fit_with_raw_frames_or_else_compressed():
    raw = [raw_replay_bytes(n, 20_000) + batch_bytes(n, 32, 1) for n in range(4)]
    beside = room_for(1)  # with compressed frames, on the host
    for gpu, expected in ((10**12, 6), (raw[3] / 0.72, 3), (raw[1] / 0.8, 1)):
        memory = FreeMemory(beside, int(gpu) + 1)
        jobs = pack(grid_of(SMALL).runs, replace(PLENTY, gpus=1.0, memory=memory), RUNS)
        assert {len(job.members) for job in jobs} == {expected}


def test_translation_trains_one_run_per_job():
    grid = grid_of("workload: nlp\npreset: grammar-tiny\naxes: {seed: [0, 1, 2]}\n")
    assert [len(job.members) for job in pack(grid.runs, PLENTY, RUNS)] == [1, 1, 1]


def test_runs_that_stand_at_different_points_are_different_populations():
    grid = grid_of(SMALL + "exclude: [{game: Pong}]\n")
    for run, position in zip(grid.runs, [[0, 0, 500], [0, 0, 500], [1, 0, 0]], strict=False):
        run.run.create()
        files = CheckpointFiles(run.run.path)
        digest = files.write("state.pt", lambda stream: stream.write(b"state"))
        files.publish({"file": "state.pt", "sha256": digest, "position": position})
    grid.runs[5].run.path.joinpath("checkpoint").mkdir(parents=True)
    grid.runs[5].run.path.joinpath("checkpoint/checkpoint.json").write_text("torn")
    assert [len(job.members) for job in pack(grid.runs, PLENTY, RUNS)] == [2, 1, 2, 1]


def test_a_job_has_the_device_of_its_share_and_the_threads_that_run_takes():
    (job, *_) = pack(grid_of(SMALL).runs, replace(PLENTY, cpus=3), RUNS)
    alone = read_request(load("rl"), ["--game", "Pong"], "run rl").job
    assert (job.machine.threads, job.machine.device) == (alone.machine.threads, "cpu")
    own = SMALL.replace("base: {", "base: {threads: 2, ")
    (job, *_) = pack(grid_of(own).runs, replace(PLENTY, gpus=1.0), RUNS)
    assert (job.machine.threads, job.machine.device) == (2, "cuda")


def test_a_job_split_is_the_same_runs_one_by_one():
    (job, _) = pack(grid_of(SMALL).runs, PLENTY, RUNS)
    parts = split_job(job)
    assert [len(part.members) for part in parts] == [1] * 6
    assert [run.path for part in parts for run in part.runs] == [run.path for run in job.runs]
