"""What report, table and plot of the paper's whole Table 1 take: 312 finished runs of full length.

    python -m tests.benchmarks.report [--games 8]

The run directories are made up, in a temporary folder that needs 6.2 GB: 8 games x 13 rows x 3
seeds, each with 200 iterations and a row of metrics every 25,000 of their 50 million steps, with
every key that a run writes. Each command is timed as a process of its own with one thread.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path

import numpy as np
import torch

from rl.architecture import shapes
from rl.config import Machine, Recipe
from suite.batch.grid_file import GridRun, read_grid
from suite.runs.session import session_record
from tests.benchmarks.timing import hardware
from workload.files import write_json

QUANTILES = {"q01": -20, "q05": -15, "q25": -11, "q50": -9, "q75": -7, "q95": -5, "q99": -3}
COUNTS = ("elements", "zero_weights", "untouched")
FIGURES = (
    "weight_norm",
    "gradient_norm",
    "update_norm",
    "cos_weight_gradient",
    "drowned_fraction",
)
SECONDS, MEGABYTES = 60, 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--games", type=int, default=8, help="of the eight")
    games = parser.parse_args().games
    torch.set_num_threads(1)  # as the report's process
    print(hardware())
    with tempfile.TemporaryDirectory() as folder:
        runs, out = Path(folder, "runs"), Path(folder, "report")
        count, size = write_runs(runs, games)
        print(f"{count} runs, {size / 1e9:.2f} GB of rows")
        measure("report", str(runs), "--out", str(out))
        files = [path for path in out.rglob("*") if path.is_file()]
        print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB")
        measure("table", str(runs))
        measure("plot", str(runs), "--out", str(Path(folder, "plot.png")))


def measure(*argv: str) -> None:
    """Run a command and print what it took."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "suite", *argv], stdout=subprocess.DEVNULL, env=os.environ | threads
    )
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"{argv[0]} ended with {os.waitstatus_to_exitcode(status)}")
    print(
        f"{argv[0]}: {wall:.1f} s (bar {SECONDS} s), {used.ru_utime + used.ru_stime:.1f} s CPU, "
        f"peak {used.ru_maxrss * 1024 / 1e6:.0f} MB (bar {MEGABYTES} MB)",
        flush=True,
    )


def write_runs(folder: Path, games: int) -> tuple[int, int]:
    """The grid's runs on the first so many games; their number and the bytes of their rows."""
    with resources.as_file(resources.files("configs") / "grids" / "table1.yaml") as file:
        grid = read_grid(file, folder, {})
    chosen = sorted({run.recipe.game for run in grid.runs})[:games]
    meta = {"sessions": [session_record(["wdbench", "batch", "table1.yaml"], Machine())]}
    found = [run for run in grid.runs if run.recipe.game in chosen]
    return len(found), sum(write_run(run, meta, place) for place, run in enumerate(found))


def write_run(planned: GridRun, meta: dict[str, object], place: int) -> int:
    """A finished run with rows of plausible numbers; the bytes of its rows."""
    path, recipe = planned.run.path, planned.recipe
    random = np.random.default_rng(place)
    planned.run.create()
    metrics, evaluations = metrics_text(recipe, random), evaluations_text(recipe, random)
    (path / "metrics.jsonl").write_text(metrics)
    (path / "eval.jsonl").write_text(evaluations)
    write_json(path / "meta.json", meta)
    write_json(path / "done.json", {"status": "finished", "figures": {}})
    return len(metrics) + len(evaluations)


def metrics_text(recipe: Recipe, random: np.random.Generator) -> str:
    """A row every `log_every` steps; the figures per layer are those of the whole network."""
    steps = range(recipe.log_every, recipe.iterations * recipe.training_steps + 1, recipe.log_every)
    layers = shapes(6, recipe.padding)
    lines = []
    for step in steps:
        row = {
            "iteration": (step - 1) // recipe.training_steps,
            "agent_steps": step,
            "updates": step // recipe.update_every,
            "epsilon": 0.01,
            "train/episodes": 30,
            "train/return": 100 * random.random(),
            "train/return_std": random.random(),
            "train/length": 1000 * random.random(),
            "loss": random.random(),
            "mean_q": random.random(),
        }
        own = inside(step, random)
        row |= {f"optim/{key}": value for key, value in own.items()}
        text = json.dumps(own)[1:-1].replace('"', '"optim/layer/{}/', 1)
        text = text.replace(', "', ', "optim/layer/{}/')
        parts = [json.dumps(row)[:-1], *(text.replace("{}", layer) for layer in layers)]
        lines.append(", ".join(parts) + "}\n")
    return "".join(lines)


def inside(step: int, random: np.random.Generator) -> dict[str, float]:
    """One look inside the optimizer."""
    shift = math.log(step / 1e6) + random.normal() / 10
    values = {f"log_m_over_w/{name}": middle + shift for name, middle in QUANTILES.items()}
    values |= dict.fromkeys(COUNTS, 4046502.0)
    values |= {name: 30 * random.random() for name in FIGURES}
    return values


def evaluations_text(recipe: Recipe, random: np.random.Generator) -> str:
    """A row per iteration, returns rising to a level of the run's own."""
    level = 50 + 100 * random.random()
    lines = []
    for iteration in range(recipe.iterations):
        row: dict[str, float] = {"iteration": iteration}
        steps = (iteration + 1) * recipe.training_steps + int(random.integers(1000))
        row["agent_steps"] = steps
        for phase in ("train", "eval"):
            score = level * (1 - math.exp(-(iteration + 1) / 20)) + random.normal()
            row |= {f"{phase}/episodes": 130, f"{phase}/return": score}
            row |= {f"{phase}/return_std": 1.0, f"{phase}/length": 1000.5, f"{phase}/steps": 130065}
        lines.append(json.dumps(row) + "\n")
    return "".join(lines)


if __name__ == "__main__":
    main()
