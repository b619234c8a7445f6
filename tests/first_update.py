"""A command in a process of its own, up to its first update."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CODE = """
import json, os, sys
from shared_optim.base import DecayOptimizer
from shared_optim.plan import Plan
from suite.__main__ import main

def end_after(update):
    def last(*arguments, **named):
        update(*arguments, **named)
        print("\\n" + json.dumps([sum(os.times()[:4]), *sys.modules]), flush=True)
        os._exit(0)
    return last

DecayOptimizer.step, Plan.apply = end_after(DecayOptimizer.step), end_after(Plan.apply)
main(sys.argv[1:])
"""


@dataclass(frozen=True)
class FirstUpdate:
    """What stood there when it had been done: CPU seconds of the process with those that it has
    started and awaited, and names of the modules that had been imported."""

    cpu_seconds: float
    modules: frozenset[str]


def first_update(argv: Sequence[str], folder: Path, **environment: str) -> FirstUpdate:
    """Of `wdbench ARGV`, in this folder."""
    source = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *argv],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(source), **environment},
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    seconds, *modules = json.loads(done.stdout.splitlines()[-1])
    return FirstUpdate(seconds, frozenset(modules))
