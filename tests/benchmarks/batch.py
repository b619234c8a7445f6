"""What a batch costs beyond its runs, and how quickly a large grid is expanded.

    python -m tests.benchmarks.batch [--runs 40]

A grid of one-second runs of Pong is trained by the workload alone, in this process, and then as a
batch with one Ray worker; the first run of each, which warms its process up, is left out. The dry
run of 10,000 runs is timed as a process of its own.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from suite.batch import ray_pool
from suite.batch.capacity import Demand, capacity, this_machine
from suite.batch.driver import Driver, Retries
from suite.batch.grid_file import read_grid
from suite.batch.packing import pack, split_job
from suite.registry import load
from suite.runs.job import Job
from suite.runs.log import RunLogFiles
from suite.runs.stop import StopRequest
from tests.benchmarks.timing import hardware

GRID = """\
workload: rl
preset: demo
base:
  training_steps: 400
  evaluation_steps: 0
  warm_up: 200
  log_every: 200
  max_episode_steps: 100
axes:
  game: [Pong]
  scheme: [none]
  seed: {seeds}
"""
LARGE = """\
workload: rl
axes:
  game: [BeamRider, Breakout, Enduro, Pong, Qbert]
  scheme: [l2, decoupled, separated]
  weight_decay: [1.0e-3, 1.0e-4, 1.0e-5, 1.0e-6]
  seed: {seeds}
exclude: [{{seed: 0, game: Pong}}]
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=40)
    runs = parser.parse_args().runs
    print(hardware())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        expand()
        overhead(runs)


def expand() -> None:
    """Wall and CPU seconds of `batch --dry-run` on 10,000 runs."""
    Path("large.yaml").write_text(LARGE.format(seeds=list(range(167))))
    command = [sys.executable, "-m", "suite", "batch", "large.yaml", "--dry-run"]
    wall, cpu = [], []
    for _ in range(5):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall.append(time.perf_counter() - start)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(text.splitlines()[0])
    print(f"dry run: {statistics.median(wall):.2f} s, {statistics.median(cpu):.2f} s CPU (bar 3 s)")


def overhead(runs: int) -> None:
    """Seconds per run of a batch on one warm Ray worker beyond those of its training alone."""
    Path("small.yaml").write_text(GRID.format(seeds=list(range(runs + 1))))
    grid = read_grid(Path("small.yaml"), Path("runs"), {"device": "cpu"})
    room = capacity(Demand(jobs=1), [this_machine()])
    jobs = [part for job in pack(grid.runs, room, Path("runs")) for part in split_job(job)]
    alone = statistics.median([train_alone(job) for job in jobs][1:])
    workers = ray_pool.RayPool(ray_pool.embedded(room), room, ["benchmark"])
    driver = Driver(workers, 1, Retries(), StopRequest(), lambda: None)
    driver.train(jobs[:1])  # warms the worker up
    start = time.perf_counter()
    driver.train(jobs[1:])
    each = (time.perf_counter() - start) / runs
    workers.close()
    print(
        f"{runs} runs of {alone:.2f} s: {each:.2f} s each in a batch, "
        f"{each - alone:.2f} s beyond the run itself (bar 2 s)"
    )


def train_alone(job: Job) -> float:
    """Seconds of the workload's training without anything of the suite but its log."""
    workload = load(job.workload)
    with (
        tempfile.TemporaryDirectory() as folder,
        RunLogFiles(Path(folder), "agent_steps", "iteration") as log,
    ):
        start = time.perf_counter()
        workload.train(
            job.recipe,
            job.members,
            [log],
            job.machine,
            progress=lambda progress: None,
            stop=lambda: False,
        )
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
