"""`wdbench verify RUN...`: whether files of runs are what was written."""

from pathlib import Path

from suite.commands.arguments import Parser


def main(argv: list[str], prog: str) -> int:
    from suite.results.selection import find
    from suite.runs.verify import problems_of
    from workload.output import say
    from workload.wording import counted

    parser = Parser(
        prog,
        "Read runs whole, compare every file with its checksum, and name what is damaged; changes "
        "nothing. Ends with 1 where something is.",
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="run directory, or one above several"
    )
    problems: list[str] = []
    runs = find(parser.parse_args(argv).runs, problems.append)
    sound = 0
    for run in runs:
        found = list(problems_of(run))
        sound += not found
        problems += found
    for problem in problems:
        say(problem)
    say(f"{counted(sound, 'run')} of {len(runs)} sound")
    return 1 if problems else 0
