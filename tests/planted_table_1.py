"""The paper's Table 1 planted: 309 runs whose truth is known, and the report on them.

    python -m tests.planted_table_1 FOLDER

makes FOLDER/runs and FOLDER/report. In every game all schemes and lambdas are equal but two: l2 at
1e-3 has half of the others' level above random play, decoupled at 1e-4 has a quarter more. Three
runs have no folder, one has diverged, one has failed, and one has ended far beyond all others. The
levels and spreads of the games are those of Dopamine's published DQN, its curves rise towards
them.
"""

import argparse
import math
from importlib import resources
from pathlib import Path

import numpy as np

from rl.exhibits import published
from suite.batch.grid_file import GridRun, read_grid
from suite.commands.report import write_report
from suite.runs.log import RunLogFiles
from tests.suite.results.runs import inside
from tests.suite.run_files import finish
from workload.files import write_json

EFFECTS = {("l2", 1e-3): 0.5, ("decoupled", 1e-4): 1.25}
MISSING = {("Pong", "l2", 1e-5, 2), ("Breakout", "separated", 1e-4, 1), ("Qbert", "none", 0.0, 0)}
DIVERGED = {("Enduro", "l2", 1e-3, 0)}
FAILED = {("Seaquest", "decoupled", 1e-5, 1)}
FAR = {("TimePilot", "l2", 1e-8, 1): 1e24}
ITERATIONS, ROWS = 40, 60
STEPS = 250_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    with resources.as_file(resources.files("configs") / "grids" / "table1.yaml") as file:
        plant(folder / "runs", file)
        for path in write_report([folder / "runs"], folder / "report", grid=file):
            print(path)


def plant(runs: Path, grid: Path) -> int:
    """Make the runs; returns how many."""
    made = 0
    for place, planned in enumerate(read_grid(grid, runs, {}).runs):
        member = planned.member
        key = (planned.recipe.game, member.scheme, member.weight_decay, member.seed)
        if key not in MISSING:
            _make(planned, key, np.random.default_rng(place))
            made += 1
    return made


def level(key: tuple[str, str, float, int]) -> tuple[float, float]:
    """Where a run's returns rise to on average over seeds, and the seeds' standard deviation."""
    game, scheme, weight_decay, _ = key
    seeds = published.dopamine_tail()[published.NEWEST, game]
    random, _ = published.random_and_human()[game]
    effect = EFFECTS.get((scheme, weight_decay), 1.0)
    return random + effect * (seeds.mean - random), seeds.deviation


def _make(planned: GridRun, key: tuple[str, str, float, int], random: np.random.Generator) -> None:
    mean, deviation = level(key)
    end = FAR.get(key, random.normal(mean, deviation))
    start, _ = published.random_and_human()[key[0]]
    planned.run.create()
    with RunLogFiles(planned.run.path, "agent_steps", "iteration") as log:
        for row in range(1, ROWS + 1):
            step = row * ITERATIONS * STEPS // ROWS
            log.metrics(inside(step, norm=30 + row / 10, shift=math.log(row / ROWS)))
        for iteration in range(ITERATIONS):
            risen = 1 - math.exp(-8 * (iteration + 1) / ITERATIONS)
            score = start + risen * (end - start)
            row = {"iteration": iteration, "agent_steps": (iteration + 1) * STEPS}
            log.evaluation(row | {"train/return": 0.9 * score, "eval/return": score})
        if key in DIVERGED:
            log.metrics({"iteration": 7, "agent_steps": 8 * STEPS, "diverged": True})
    if key in FAILED:
        write_json(planned.run.path / "failed.json", {"error": "RuntimeError: out of memory"})
    else:
        finish(planned.run, "diverged" if key in DIVERGED else "finished")


if __name__ == "__main__":
    main()
