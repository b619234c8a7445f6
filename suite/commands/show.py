"""`wdbench show RUN...`: curves of runs, drawn in the terminal."""

import os
import shutil
import sys

from suite.commands.arguments import Parser, add_runs_argument
from workload.errors import UserError
from workload.output import say

NARROWEST = 40


def main(argv: list[str], prog: str) -> int:
    parser = Parser(
        prog,
        "Draw curves of runs in the terminal, where no picture can be opened: weight norm, "
        "learning curves, drowned share, median |m/w|.",
        examples=("wdbench show RUN", "wdbench show runs --width 120 | less -R"),
    )
    add_runs_argument(parser)
    parser.add_argument("--width", type=int, metavar="N", help="columns; default the terminal's")
    options = parser.parse_args(argv)
    width = options.width or shutil.get_terminal_size().columns
    if width < NARROWEST:
        raise UserError(f"--width: {width} columns are too few; {NARROWEST} or more are needed")
    from suite.results.selection import find_runs
    from suite.results.terminal_plot import curves_text

    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    say(curves_text(find_runs(options.runs), width, colour=colour))
    return 0
