"""Run directories: with rows of a test's choice, and those that a command has left."""

import json
from pathlib import Path

import suite.rl
from suite.run_directory import Run, locked, write_json
from suite.run_log import RunLog

SMALL = ["run", "rl", "--replay-capacity", "20000", "--device", "cpu"]


def make_run(runs, scheme="none", weight_decay=0.0, seed=0, *, rows=(), scores=(), **recipe):
    """A run with these rows of metrics, and one evaluation per score after 1,000 steps each."""
    member = suite.rl.Member(scheme, weight_decay, seed)
    run = Run.of(suite.rl, suite.rl.Recipe(**recipe), member, Path(runs))
    with locked([run]), RunLog(run.path, "agent_steps", "iteration") as log:
        for row in rows:
            log.metrics(row)
        for i, score in enumerate(scores):
            log.evaluation({"iteration": i, "agent_steps": 1000 * (i + 1), **score})
    return run


def finish(run, status="finished"):
    write_json(run.path / "done.json", {"status": status, "figures": {}})


def run_paths():
    return sorted(path.parent for path in Path().rglob("config.json"))


def record(path, name):
    return json.loads((path / name).read_text())
