"""`wdbench claims [RUNS...] [--with PAGE] [--out FOLDER]`: what papers claim, and what runs say."""

from pathlib import Path

from suite.commands.arguments import Parser, add_runs_argument
from workload.errors import UserError
from workload.output import aligned, say, warn

LAST = 5


def main(argv: list[str], prog: str) -> int:
    parser = Parser(
        prog,
        "Put runs beside the claims of the papers that the suite follows: holds, does not hold, "
        "undecided, or not tested. The claims, their statistics and the grids that test them stand "
        "in configs/claims.",
        examples=(
            "wdbench claims runs",
            "wdbench claims runs --out results/claims",
            "wdbench claims runs --with claims/first --with claims/second --out results/claims",
        ),
    )
    add_runs_argument(parser, needed=False)
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write the page there, as `report` does"
    )
    parser.add_argument(
        "--with",
        dest="earlier",
        action="append",
        default=[],
        type=Path,
        metavar="PAGE",
        help="a folder that --out has written: its verdicts beside these, of runs that are gone; "
        "may be given again",
    )
    options = parser.parse_args(argv)
    if not (options.runs or options.earlier):
        parser.error("name RUNS, or a page of earlier runs with --with PAGE")
    if options.out is not None:
        from suite.results import report_files

        report_files.check(options.out)
    for line in _show(options.runs, options.earlier, options.out):
        say(line)
    return 0


def _show(paths: list[Path], earlier: list[Path], out: Path | None) -> list[str]:
    """What is printed.

    Raises:
        UserError: there is nothing to judge, or an earlier page cannot be read.
    """
    from suite.results import report_files, selection
    from suite.results.claims_page import claims_page
    from suite.results.earlier_claims import EarlierPage
    from suite.results.provenance import provenance
    from suite.results.records import read

    pages = {folder.resolve(): EarlierPage.open(folder) for folder in earlier}
    if out is not None and out.resolve() in pages:
        raise UserError(f"--out: {out} is the page of --with, which it would replace; name another")
    left_out: list[str] = []

    def leave_out(reason: str) -> None:
        left_out.append(f"left out: {reason}")
        warn(left_out[-1])

    runs = sorted(selection.find(paths, leave_out), key=lambda run: run.path.resolve())
    described = selection.one_of_each(selection.describe(runs, leave_out), leave_out)
    records = read(described, LAST, leave_out, whole=True)
    if paths and not records:
        raise UserError("nothing to judge: no run could be read")
    document, found = claims_page(records, LAST, list(pages.values()))
    lines = []
    for title, own in found.items():
        rows = [["verdict", "mean", "95 %", "seeds", "claim", "runs"]]
        for each in own:
            low, high = each.low, each.high
            mean = "-" if each.mean is None else f"{each.mean:.3g} {each.claim.unit}".strip()
            span = "-" if low is None or high is None else f"{low:.3g} .. {high:.3g}"
            count = str(each.seeds)
            rows.append([each.word, mean, span, count, each.claim.claim, each.of_what or "-"])
        lines += [title, *aligned(rows, left=6, rule=True), ""]
    if not found:
        workloads = ", ".join(sorted({record.workload for record in records}))
        lines.append(f"No claim that is followed is about runs of {workloads}.")
    if out is not None:
        theirs = (page.provenance() for page in pages.values())
        ours = [provenance(records, left_out)] if paths else []
        circumstances = "\n".join((*ours, *theirs))
        written = report_files.write(document, circumstances, out)
        lines += map(str, written)
    return lines
