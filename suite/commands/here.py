"""`wdbench` alone: where one stands, and what to do next."""

import shlex
from collections import Counter
from pathlib import Path

from suite.commands.demo import demos
from suite.results.selection import find
from suite.runs.directory import Run
from suite.runs.heartbeat import beat_of
from suite.runs.session import last_command
from workload.errors import UserError
from workload.output import aligned, say
from workload.wording import counted

RUNS = Path("runs")
SHOWN = 5
"""Most commands that are named."""


def main(prog: str) -> int:
    """Print it."""
    say("wdbench: what weight decay does inside an adaptive optimizer\n")
    runs = _runs()
    for line in _stand(runs, prog) if runs else _first_steps(prog):
        say(line)
    say(f"\n`{prog} --help` lists all commands, `{prog} doctor` says what this machine lacks.")
    return 0


def _runs() -> list[Run]:
    try:
        return find([RUNS], lambda reason: None)
    except UserError:
        return []


def _first_steps(prog: str) -> list[str]:
    lines = [[f"  {prog} demo {name}", text] for name, text in demos().items()]
    return [
        f"There are no runs in {RUNS}/ yet. Begin with",
        *aligned(lines, left=2),
    ]


def _stand(runs: list[Run], prog: str) -> list[str]:
    counts: dict[tuple[str, str], Counter[str]] = {}
    resumable: dict[str, Path] = {}
    for run in sorted(runs, key=lambda run: run.path.stat().st_mtime, reverse=True):
        status = _status(run)
        place = str(run.config.get("workload")), run.path.parents[1].name
        counts.setdefault(place, Counter())[status] += 1
        if status == "unfinished" and (command := last_command(run.path)):
            resumable.setdefault(shlex.join([prog, *command]), run.path)
    lines = [f"{counted(len(runs), 'run')} in {RUNS}/", ""]
    rows = [
        [f"  {workload}", task, ", ".join(f"{n} {status}" for status, n in count.items())]
        for (workload, task), count in sorted(counts.items())
    ]
    lines += aligned(rows, left=3)
    if resumable:
        lines += ["", "Unfinished; the same command goes on:"]
        lines += [f"  {command}" for command in list(resumable)[:SHOWN]]
        more = len(resumable) - SHOWN
        lines += [f"  and {counted(more, 'other command')}"] if more > 0 else []
    newest = max(runs, key=lambda run: run.path.stat().st_mtime)
    return [
        *lines,
        *("", "Next:"),
        f"  {prog} table {RUNS}",
        f"  {prog} show {newest.path}",
        f"  {prog} report {RUNS} --out results/mine",
    ]


def _status(run: Run) -> str:
    """In a word: `Run.status`, or `running`, or `damaged`."""
    try:
        status = run.status()
    except UserError:
        return "damaged"
    return "running" if status in ("unfinished", "failed") and beat_of(run.path) else status
