"""`wdbench verify RUN...`: whether files of runs are what was written."""

from suite.commands.arguments import Parser, add_runs_argument


def main(argv: list[str], prog: str) -> int:
    parser = Parser(
        prog,
        "Read runs whole, compare every file with its checksum, and name what is damaged; changes "
        "nothing. Ends with 1 where something is.",
        examples=("wdbench verify runs", "wdbench verify RUN RUN"),
    )
    add_runs_argument(parser)
    options = parser.parse_args(argv)
    from suite.results.selection import find
    from suite.runs.verify import problems_of
    from workload.output import say
    from workload.wording import counted

    problems: list[str] = []
    runs = find(options.runs, problems.append)
    unreadable = damaged = len(problems)
    for run in runs:
        found = list(problems_of(run))
        damaged += bool(found)
        problems += found
    for problem in problems:
        say(problem)
    say(f"{counted(len(runs) + unreadable, 'run')}, {damaged or 'none'} damaged")
    return 1 if problems else 0
