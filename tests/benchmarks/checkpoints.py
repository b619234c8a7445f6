"""What checkpoints, rows and heartbeats cost of the CPU time of real runs.

    python -m tests.benchmarks.checkpoints rl:paper rl:dopamine
    python -m tests.benchmarks.checkpoints vision:cifar10-small lm:novels-109k --data-dir=data

Each preset trains for a while through the suite, with checkpoints in quick succession. The cost of
one, and that of rows per update, is put over the CPU time of as many updates as lie between two
checkpoints as the preset has them. The bar is 1 %.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import rl.recorder
import suite.results.run_plot
from rl.replay_file import ReplayFile
from suite.__main__ import main as command_line
from suite.registry import load
from suite.runs import heartbeat
from suite.runs.log import RunLogFiles
from suite.runs.stop import StopRequest
from tests.benchmarks.timing import hardware
from workload.checkpoint import Checkpoint
from workload.output import aligned
from workload.progress import Progress

WINDOWS = {"rl": (1_000, 4_000), "nlp": (10, 70), "vision": (10, 200), "lm": (10, 310)}
"""Updates, or agent steps, from which and until which is measured."""
FLAGS = {"rl": ("--game=Pong", "--warm-up=500"), "nlp": (), "vision": (), "lm": ()}
SAVES = 4
SAVES_AT_THE_END = {"rl": 0, "nlp": 2, "vision": 1, "lm": 1}
"""Of an epoch or round."""


class Clock:
    """CPU seconds of calls by kind, without those of calls inside them; and how training stands."""

    def __init__(self, begin: int, end: int, workload: str) -> None:
        self.calls: dict[str, list[float]] = defaultdict(list)
        self._inside: list[float] = []
        self._begin, self._end, self._workload = begin, end, workload
        self.updates = self.of_epoch = 0
        self.seconds = 0.0

    def timed(self, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            begin = time.process_time()
            self._inside.append(0.0)
            try:
                return function(*arguments, **named)
            finally:
                took = time.process_time() - begin
                own = took - self._inside.pop()
                if self._inside:
                    self._inside[-1] += took
                if self.measures:
                    self.calls[kind].append(own)

        return call

    @property
    def measures(self) -> bool:
        return self._begin <= self.updates < self._end

    def note(self, state: Progress) -> None:
        """Count an update; agents say themselves where they stand."""
        if "training" not in state.phase:
            return
        before = self.measures
        self.updates = state.step if self._workload == "rl" else self.updates + 1
        self.of_epoch = state.steps
        if self.measures and not before:
            self._first, self._since = self.updates, time.process_time()
        if before and not self.measures:
            self.seconds = time.process_time() - self._since
            self.window = self.updates - self._first

    def stop(self) -> bool:
        return self.updates >= self._end


def measure(name: str, further: list[str]) -> tuple[str, ...]:
    """A line of the table for WORKLOAD:PRESET."""
    workload, _, preset = name.partition(":")
    begin, end = WINDOWS[workload]
    clock = Clock(begin, end, workload)
    every = (end - begin) // SAVES
    flags = [f"--preset={preset}", f"--checkpoint-every={every}", "--device=cpu", "--threads=1"]
    beating = heartbeat.beating

    @contextmanager
    def noted(runs: Any) -> Iterator[Callable[[Progress], None]]:
        with beating(runs) as beat:
            beat = clock.timed("rows", beat)

            def tell(state: Progress) -> None:
                clock.note(state)
                beat(state)

            yield tell

    patches = [
        (Checkpoint, "save", "checkpoint"),
        (rl.recorder.PopulationRecorder, "_save", "checkpoint"),
        (ReplayFile, "write", "rows"),
        (RunLogFiles, "metrics", "rows"),
        (RunLogFiles, "evaluation", "rows"),
        (RunLogFiles, "own", "rows"),
    ]
    with tempfile.TemporaryDirectory() as runs:
        words = ["run", workload, *flags, *FLAGS[workload], *further]
        for kind, method, what in patches:
            patched = patch.object(kind, method, _method(clock, what, getattr(kind, method)))
            patched.start()
        with (
            patch.object(heartbeat, "beating", noted),
            patch.object(StopRequest, "__call__", lambda _: clock.stop()),
            patch.object(suite.results.run_plot, "plot", lambda runs, out: out),
        ):
            command_line([*words, "--scheme=l2", "--weight-decay=1e-3", f"--runs={runs}"])
    patch.stopall()
    usual = load(workload).Machine().checkpoint_every
    saves = SAVES_AT_THE_END[workload] + (clock.of_epoch - 1) // usual
    between = clock.of_epoch / saves
    one, rows = statistics.median(clock.calls["checkpoint"]), sum(clock.calls["rows"])
    costs = sum(map(sum, clock.calls.values()))
    update = (clock.seconds - costs) / clock.window
    share = one / between / update, rows / clock.window / update
    return (
        name,
        f"{1e3 * update:.2f}",
        f"{1e3 * one:.1f}",
        f"{between:,.0f}",
        f"{share[0]:.2%}",
        f"{share[1]:.2%}",
        f"{sum(share):.2%}",
        "met" if sum(share) <= 0.01 else "MISSED",
    )


def _method(clock: Clock, kind: str, method: Callable[..., Any]) -> Callable[..., Any]:
    timed = clock.timed(kind, method)
    return lambda self, *arguments, **named: timed(self, *arguments, **named)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("presets", nargs="+", metavar="WORKLOAD:PRESET")
    options, further = parser.parse_known_args()  # flags of `wdbench run`
    head = ("preset", "ms per update", "ms per checkpoint", "updates between", "checkpoints")
    lines = [(*head, "rows", "together", "at most 1 %")]
    lines += [measure(name, further) for name in options.presets]
    print("\n".join([hardware(), "", *aligned(lines, left=1, rule=True)]))
    return int(any(line[-1] == "MISSED" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
