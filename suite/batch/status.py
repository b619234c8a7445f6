"""`wdbench status FILE`: how a grid stands, from what is on disk."""

from pathlib import Path

from suite.arguments import Parser
from suite.batch import overview
from suite.batch.command import add_runs_flag
from suite.batch.grid import read_grid
from suite.batch.states import state_of


def main(argv: list[str], prog: str) -> int:
    parser = Parser(prog, "Say which runs of a grid are done, running, waiting and failed.")
    parser.add_argument("grid", type=Path, metavar="FILE", help="the grid that was given to batch")
    add_runs_flag(parser)
    options = parser.parse_args(argv)
    grid = read_grid(options.grid, options.runs, {})
    print(overview.described(grid, [state_of(run) for run in grid.runs]), end="")
    return 0
