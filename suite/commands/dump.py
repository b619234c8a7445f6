"""`wdbench dump RUNS... --out FOLDER`: runs as two tidy tables for other programs."""

from pathlib import Path

from suite.commands.arguments import Parser, add_only_flag, add_runs_argument
from workload.errors import UserError
from workload.output import say, warn


def main(argv: list[str], prog: str) -> int:
    parser = Parser(
        prog,
        "Write two tidy tables: runs, a line per run with its recipe and scores, and rows, a line "
        "per row that a run has logged: for pandas, Polars, R, DuckDB.",
        examples=(
            "wdbench dump runs --out tables",
            "wdbench dump runs --out tables --to parquet --only scheme=l2,decoupled",
        ),
    )
    add_runs_argument(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="of the two files"
    )
    parser.add_argument(
        "--to",
        choices=("csv", "parquet"),
        default="csv",
        help="format of the files; parquet needs pyarrow; default %(default)s",
    )
    parser.add_argument(
        "--last",
        type=int,
        default=5,
        metavar="N",
        help="newest evaluations whose mean is a score; default %(default)s",
    )
    parser.add_argument(
        "--layers", action="store_true", help="with the figures of each layer, a thousand columns"
    )
    add_only_flag(parser)
    options = parser.parse_args(argv)
    if options.last < 1:
        raise UserError(f"--last: {options.last} is not above 0")

    from suite.results import selection
    from suite.results.tidy_tables import write_tables

    def leave_out(reason: str) -> None:
        warn(f"left out: {reason}")

    runs = selection.find(options.runs, leave_out)
    described = selection.one_of_each(selection.describe(runs, leave_out), leave_out)
    described = selection.chosen(described, options.only)
    written = write_tables(
        *(described, options.out, leave_out),
        to=options.to,
        last=options.last,
        layers=options.layers,
    )
    for path in written:
        say(str(path))
    return 0
