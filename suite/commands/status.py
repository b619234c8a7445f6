"""`wdbench status FILE`: how a grid stands, from what is on disk."""

from pathlib import Path

from suite.batch import overview
from suite.batch.grid_file import read_grid
from suite.batch.states import state_of
from suite.commands.arguments import Parser, add_runs_flag


def main(argv: list[str], prog: str) -> int:
    parser = Parser(
        prog,
        "Say which runs of a grid are done, running, waiting and failed.",
        examples=(
            "wdbench status configs/grids/table1-small.yaml",
            "wdbench status mine.yaml --runs trials",
        ),
    )
    parser.add_argument("grid", type=Path, metavar="FILE", help="the grid that was given to batch")
    add_runs_flag(parser)
    options = parser.parse_args(argv)
    grid = read_grid(options.grid, options.runs, {})
    print(overview.describe_grid(grid, [state_of(run) for run in grid.runs]), end="")
    return 0
