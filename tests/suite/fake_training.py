"""A workload whose training is scripted: the suite around it is the real one.

As a program (`python -m tests.suite.fake_training run rl ...`) it is the command line with that
training, for tests that need a process of their own to interrupt.
"""

import json
import sys
import time

from rl.workload import WORKLOAD as RL
from suite.__main__ import main
from workload.member import Outcome
from workload.progress import MemberProgress, Progress

QUANTILES = {"q01": -16, "q05": -14, "q25": -12, "q50": -11, "q75": -10, "q95": -9, "q99": -8}


def metrics_row(step, drowned=0.25):
    return {
        "iteration": 0,
        "agent_steps": step,
        "loss": 0.5,
        "train/return": -20.0,
        "optim/weight_norm": 30.0,
        "optim/drowned_fraction": drowned,
        **{f"optim/log_m_over_w/{name}": float(value) for name, value in QUANTILES.items()},
    }


def evaluation_row(iteration, step, score):
    return {
        "iteration": iteration,
        "agent_steps": step,
        "train/return": -20.0,
        "eval/return": score,
    }


def translation_row(updates, loss=8.5):
    row = metrics_row(updates)
    inside = {key: value for key, value in row.items() if key.startswith("optim/")}
    return {"epoch": 0, "updates": updates, "train/loss": loss, **inside}


def translation_evaluation(epoch, updates, **figures):
    return {"epoch": epoch, "updates": updates, **figures}


class FakeTraining:
    """Writes two rows and an evaluation per member, and keeps what it was called with.

    Args:
        statuses: how members end, by scheme; `finished` where nothing is said.
        error: raised after the first row.
        chunks, pause: how often `stop` is asked, and seconds between.
    """

    def __init__(self, statuses=None, error=None, chunks=1, pause=0.0):
        self.statuses, self.error = statuses or {}, error
        self.chunks, self.pause = chunks, pause
        self.calls = []

    def __call__(self, recipe, members, logs, machine, *, progress, stop):
        self.calls.append([(member, machine) for member in members])
        for log in logs:
            log.rewind({})
            log.metrics(metrics_row(1000))
        if self.error:
            raise self.error
        for chunk in range(self.chunks):
            names = tuple(MemberProgress(m.name, "running", {"loss": None}) for m in members)
            phase = "iteration 1/1 training"
            progress(Progress(phase, chunk, self.chunks, 100.0, None, names, "steps"))
            if stop():
                return [Outcome("interrupted") for _ in members]
            time.sleep(self.pause)
        for log in logs:
            log.metrics(metrics_row(2000))
            log.evaluation(evaluation_row(0, 2000, -18.5))
        return [Outcome(self.statuses.get(m.scheme, "finished"), {"loss": 0.5}) for m in members]

    def install(self, positions=None):
        """Take the place of rl's training; `positions` by run path, None where nothing is said."""
        RL.train = self
        RL.checkpoint_position = lambda run: (positions or {}).get(run)


if __name__ == "__main__":
    FakeTraining(**json.loads(sys.argv[1])).install()
    sys.exit(main(sys.argv[2:]))
