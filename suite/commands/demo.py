"""`wdbench demo WORKLOAD`: train what a workload shows first, and say what to look at."""

import shlex
from argparse import REMAINDER
from collections.abc import Sequence

from suite.commands.arguments import Parser
from suite.commands.run import main as run
from suite.config.request import read_request
from suite.registry import load, names
from workload.errors import UserError
from workload.output import say


def main(argv: list[str], prog: str) -> int:
    width = max(map(len, demos()), default=0)
    parser = Parser(
        prog,
        "Train what a workload shows first. Flags of `run WORKLOAD` change every run of it.",
        examples=[f"wdbench demo {name:<{width}}   # {text}" for name, text in demos().items()],
    )
    parser.add_argument(
        "workload", nargs="?", metavar="WORKLOAD", help="what to show; without, a list"
    )
    parser.add_argument(
        "flags", nargs=REMAINDER, metavar="FLAGS", help="of `run WORKLOAD`, for every run"
    )
    options = parser.parse_args(argv)
    if options.workload is None:
        parser.print_help()
        return 0
    name, flags = options.workload, options.flags
    lines = command_lines(name)
    jobs = [read_request(load(name), [*line, *flags], f"{prog} {name}").job for line in lines]
    for line in lines:
        command = [name, *line, *flags]
        say(f"$ wdbench run {shlex.join(command)}")
        if code := run(command, "wdbench run"):
            return code
    runs = {run.path: run for job in jobs for run in job.runs}
    if len(jobs) > 1:
        from suite.results.run_table import table

        say(f"\nAll of them:\n\n{table(list(runs.values()))}")
    say(_what_next(sorted({str(path.parents[1]) for path in runs})))
    return 0


def command_lines(name: str) -> list[list[str]]:
    """The flags of each `run NAME` that a workload's demonstration is.

    Raises:
        UserError: there is no such workload, or it has no demonstration.
    """
    demo = load(name).DEMO
    if demo is None:
        raise UserError(f"{name} has no demonstration; `wdbench run {name} --help` lists its flags")
    return [shlex.split(line) for line in demo.runs]


def demos() -> dict[str, str]:
    """What is shown, by workload."""
    return {name: demo.text for name in names() if (demo := load(name).DEMO) is not None}


def _what_next(folders: Sequence[str]) -> str:
    where = shlex.join(folders)
    return f"""
Next:
  wdbench show {where}        # curves, here
  wdbench table {where}       # the numbers once more
  wdbench report {where} --out results/demo"""
