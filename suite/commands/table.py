"""`wdbench table RUN...`: one line per run, and what the paper's claim looks like in them."""

from suite.commands.arguments import Parser, add_runs_argument


def main(argv: list[str], prog: str) -> int:
    parser = Parser(
        prog,
        "Put runs side by side: score and the inside of the optimizer.",
        examples=("wdbench table runs", "wdbench table RUN RUN"),
    )
    add_runs_argument(parser)
    options = parser.parse_args(argv)
    from suite.results.run_table import table
    from suite.results.selection import find_runs

    print(table(find_runs(options.runs)))
    return 0
