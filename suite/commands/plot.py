"""`wdbench plot RUN...`: learning curves and the inside of the optimizer as one PNG."""

from pathlib import Path

from suite.commands.arguments import Parser, add_runs_argument
from workload.errors import UserError


def main(argv: list[str], prog: str) -> int:
    parser = Parser(
        prog,
        "Draw runs: learning curves and the inside of the optimizer.",
        examples=("wdbench plot RUN", "wdbench plot runs --out compare.png"),
    )
    add_runs_argument(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="PNG; default RUN/plot.png, or plot.png for several",
    )
    options = parser.parse_args(argv)
    from suite.results.run_plot import plot
    from suite.results.selection import find_runs

    runs = find_runs(options.runs)
    out = options.out or (runs[0].path / "plot.png" if len(runs) == 1 else Path("plot.png"))
    if out.suffix.lower() != ".png":
        raise UserError(f"--out: {out} does not end in .png")
    print(plot(runs, out))
    return 0
