"""`wdbench table RUN...`: one line per run, and what the paper's claim looks like in them."""

from pathlib import Path

from suite.commands.arguments import Parser


def main(argv: list[str], prog: str) -> int:
    from suite.results.run_table import table
    from suite.results.selection import find_runs

    parser = Parser(prog, "Put runs side by side: score and the inside of the optimizer.")
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="run directory, or one above several"
    )
    print(table(find_runs(parser.parse_args(argv).runs)))
    return 0
