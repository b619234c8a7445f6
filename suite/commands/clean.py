"""`wdbench clean RUNS...`: say what of runs may go, and delete it when told to."""

from pathlib import Path

from suite.commands.arguments import Parser, add_runs_argument
from workload.output import aligned, say, warn
from workload.wording import amount, counted


def main(argv: list[str], prog: str) -> int:
    parser = Parser(
        prog,
        "Say what of runs may go, and how much room it takes; delete it with --delete. What a "
        "process trains stays as it is.",
        examples=("wdbench clean runs", "wdbench clean runs --grid grid.yaml --delete"),
    )
    add_runs_argument(parser)
    parser.add_argument(
        "--states",
        action="store_true",
        help="also the states of ended runs: these can then not be made longer, watched or "
        "measured, nor read by runs that no --grid names",
    )
    parser.add_argument(
        "--grid",
        type=Path,
        nargs="+",
        action="extend",
        metavar="FILE",
        help="also whole runs that none of these grids names or reads",
    )
    parser.add_argument("--delete", action="store_true", help="delete it; else it is only listed")
    options = parser.parse_args(argv)

    from suite.batch.grid_file import read_grid
    from suite.results import selection
    from suite.results.leftovers import leftovers, remove

    def leave(reason: str) -> None:
        warn(f"left alone: {reason}")

    described = selection.describe(selection.find(options.runs, leave), leave)
    named = None
    if options.grid:
        grids = [read_grid(file, options.runs[0], {}) for file in options.grid]
        named = [
            selection.RunDescription(run.run, run.workload, run.recipe, run.member)
            for grid in grids
            for run in grid.runs
        ]
    found = leftovers(described, named, leave, states=options.states)
    rows = [[amount(each.size), str(each.path), each.why] for each in found]
    for line in aligned(rows) if rows else []:
        say(line)
    size = amount(sum(each.size for each in found))
    if not found:
        say(f"Nothing of {counted(len(described), 'run')} may go.")
    elif options.delete:
        remove(found)
        say(f"{size} deleted.")
    else:
        say(f"{size} in all. Nothing has been deleted; the same with --delete does it.")
    return 0
