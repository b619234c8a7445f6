"""`wdbench report RUNS... --out results/NAME`: tables and figures of runs, as in the paper."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from suite.commands.arguments import Parser, add_only_flag, add_runs_argument
from suite.results import report_files
from workload.errors import UserError
from workload.output import say, warn

LAST = 5


def main(argv: list[str], prog: str) -> int:
    parser = Parser(
        prog,
        "Put runs into the paper's tables and figures: Markdown, HTML, CSV, LaTeX, PNG and PDF. "
        "Partial grids give partial tables.",
        examples=(
            "wdbench report runs --out results/mine",
            "wdbench report runs --out results/table1 --grid configs/grids/table1-small.yaml",
        ),
    )
    add_runs_argument(parser)
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
    parser.add_argument(
        "--grid",
        type=Path,
        metavar="FILE",
        help="of these runs those that a grid file names; its missing ones are counted",
    )
    add_only_flag(parser)
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FOLDER",
        help="of an earlier report: say which numbers have changed since",
    )
    options = parser.parse_args(argv)
    if options.last < 1:
        raise UserError(f"--last: {options.last} is not above 0")
    report_files.check(options.out)
    written = write_report(
        options.runs,
        options.out,
        options.last,
        grid=options.grid,
        only=options.only,
        earlier=options.against,
    )
    for path in written:
        say(str(path))
    return 0


def write_report(
    paths: list[Path],
    out: Path,
    last: int = LAST,
    *,
    grid: Path | None = None,
    only: Sequence[str] = (),
    earlier: Path | None = None,
) -> list[Path]:
    """Write the report on the runs at and below these paths; returns its main files.

    Args:
        paths: run directories, or folders above some.
        out: the report's folder.
        last: newest evaluations whose mean is a score, where a score is a mean.
        grid: a grid file; runs that it does not name are left out, and those that are not on disk
            are counted as missing.
        only: conditions `KEY=VALUE,...`, all of which a run has to meet.
        earlier: the folder of a report that this one is compared with; it may be `out`.

    Raises:
        UserError: there is no run, none can be read, or `out` is no place for a report.
    """
    from suite.batch.grid_file import read_grid
    from suite.results import selection
    from suite.results.against import against
    from suite.results.provenance import provenance, stamp
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
    if grid is not None:
        planned = [
            selection.RunDescription(run.run, run.workload, run.recipe, run.member)
            for run in read_grid(grid, paths[0], {}).runs
        ]
        described = selection.as_planned(described, planned, told)
    described = selection.chosen(described, only)
    records = read(described, last, leave_out)
    if not any(record.status != "missing" for record in records):
        raise UserError("nothing to report: no run could be read")
    content = document(records, last, told, planned=grid is not None)
    if earlier is not None:
        content = replace(content, sections=(*content.sections, against(content, earlier)))
    return report_files.write(content, provenance(records, left_out), out, stamp(records))
