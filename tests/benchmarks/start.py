"""CPU seconds from a command to its first update.

    python -m tests.benchmarks.start [--rounds N]

Each a process of its own, one thread, in turns, medians; with what it takes to import torch and
Lightning, which an own network's training cannot do without. Data that a workload makes itself are
made before.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.benchmarks.timing import hardware
from tests.first_update import first_update

RUNS = {
    "rl": ("--preset", "demo", "--scheme", "separated", "--weight-decay", "1e-3"),
    "lm": ("--preset", "grammar-tiny", "--scheme", "none"),
    "vision": ("--preset", "shapes-tiny", "--scheme", "none"),
    "nlp": ("--preset", "grammar-tiny", "--scheme", "none"),
}
BARS = {"rl": 5.0, "rl, no kernel compiled": 6.0, "lm": 6.0}


def importing(module: str) -> float:
    """CPU seconds of a process that imports a module."""
    code = f"import {module}, os; print(sum(os.times()[:2]))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def running(workload: str, folder: Path, *, warm: bool = True) -> float:
    """CPU seconds until the first update of a run that begins."""
    with tempfile.TemporaryDirectory() as place:
        argv = ["run", workload, *RUNS[workload], "--device", "cpu", "--threads", "1"]
        cache = {} if warm else {"XDG_CACHE_HOME": place}
        return first_update([*argv, "--runs", place], folder, **cache).cpu_seconds


def in_turns(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each side took, in every round."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            found[name].append(side())
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=[*RUNS], default=[*RUNS])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        sides: dict[str, Callable[[], float]] = {
            f"import {module}": partial(importing, module) for module in ("torch", "lightning")
        }
        for workload in options.only:
            sides[workload] = partial(running, workload, folder)
            running(workload, folder)
        if "rl" in options.only:
            sides["rl, no kernel compiled"] = partial(running, "rl", folder, warm=False)
        print(f"{hardware()}, load {os.getloadavg()[0]:.0f}")
        for name, seconds in in_turns(sides, options.rounds).items():
            bar = f"  (bar {BARS[name]:.0f})" if name in BARS else ""
            each = " ".join(f"{one:.1f}" for one in seconds)
            print(f"{name:<24}{statistics.median(seconds):.2f} s ({each}){bar}")
    print(f"load {os.getloadavg()[0]:.0f}")


if __name__ == "__main__":
    main()
