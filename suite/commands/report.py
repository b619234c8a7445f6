"""`wdbench report RUNS... --out results/NAME`: tables and figures of runs, as in the paper."""

from pathlib import Path

from suite.commands.arguments import Parser
from suite.results import report_files
from workload.errors import UserError
from workload.output import say, warn

LAST = 5


def main(argv: list[str], prog: str) -> int:
    parser = Parser(
        prog,
        "Put runs into the paper's tables and figures: Markdown, HTML, CSV, LaTeX, PNG and PDF. "
        "Partial grids give partial tables.",
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUNS", help="run directory, or one above several"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="e.g. results/NAME"
    )
    parser.add_argument(
        "--last",
        type=int,
        default=LAST,
        metavar="N",
        help="newest evaluations whose mean is a score; default %(default)s",
    )
    options = parser.parse_args(argv)
    if options.last < 1:
        raise UserError(f"--last: {options.last} is not above 0")
    report_files.check(options.out)
    for path in write_report(options.runs, options.out, options.last):
        say(str(path))
    return 0


def write_report(paths: list[Path], out: Path, last: int = LAST) -> list[Path]:
    """Write the report on the runs at and below these paths; returns its main files.

    Raises:
        UserError: there is no run, none can be read, or `out` is no place for a report.
    """
    from suite.results import selection
    from suite.results.provenance import provenance
    from suite.results.records import read
    from suite.results.sections import document

    left_out: list[str] = []

    def leave_out(reason: str) -> None:
        left_out.append(f"left out: {reason}")
        warn(left_out[-1])

    def told(reason: str) -> None:
        left_out.append(reason)
        warn(reason)

    runs = sorted(selection.find(paths, leave_out), key=lambda run: run.path.resolve())
    described = selection.one_of_each(selection.describe(runs, leave_out), leave_out)
    records = read(described, last, leave_out)
    if not records:
        raise UserError("nothing to report: no run could be read")
    content = document(records, last, told)
    return report_files.write(content, provenance(records, left_out), out)
