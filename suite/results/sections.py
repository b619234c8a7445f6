"""What a report says: a section per workload, of the exhibits that the workload lists."""

from collections.abc import Sequence

from shared_optim.schemes import SCHEMES, units_note
from suite.registry import AnyWorkload, load, names
from suite.results.records import by_workload, length_notes, remark_notes
from suite.results.selection import LeaveOut
from workload.exhibits import generic
from workload.exhibits.cells import listed
from workload.exhibits.document import Document, Picture, Section, Table
from workload.exhibits.drawing import typography
from workload.exhibits.grid import RecordGrid
from workload.exhibits.labels import printable
from workload.exhibits.record import Record

TITLE = "Weight decay inside the optimizer: what the runs show"
PAPERS = ("none", "l2", "decoupled", "separated")
INTRODUCTION = (
    "After Bjorck, Weinberger and Gomes, Understanding Decoupled and Early Weight Decay, AAAI "
    "2021: none is their orig, l2 their WD, decoupled AdamW, separated their Algorithm 1. "
    "Nothing is imputed: what was not finished is missing."
)


def document(
    records: Sequence[Record], last: int, leave_out: LeaveOut, *, planned: bool = False
) -> Document:
    """The report on these runs.

    Args:
        records: the runs, of any workloads.
        last: evaluations whose mean is a run's score, where a score is a mean.
        leave_out: told what had to be left out of a test, and why.
        planned: whether the records are all that a grid file names, missing ones among them.
    """
    with typography():
        sections = tuple(
            _section(load(own[0].workload), own, last, leave_out, planned)
            for own in sorted(by_workload(records), key=lambda own: _order(own[0].workload))
        )
    _check_names([table.name for section in sections for table in section.tables])
    _check_names([picture.name for section in sections for picture in section.pictures])
    units = units_note(record.member.scheme for record in records)
    told = (INTRODUCTION, *_other_schemes(records), *([units] if units else []))
    return Document(TITLE, told, sections)


def _check_names(names: Sequence[str]) -> None:
    """No exhibit may be written over another one's file."""
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{names.count(name)} exhibits of a report are named {name!r}")


def _order(workload: str) -> int:
    """Sections stand in the order of the workloads, not of the runs' paths."""
    known = names()
    return known.index(workload) if workload in known else len(known)


def _other_schemes(records: Sequence[Record]) -> list[str]:
    """What the schemes are that the paper does not have, in one paragraph."""
    present = {record.member.scheme for record in records}
    others = [s for s in SCHEMES.values() if s.name in present - set(PAPERS)]
    told = [f"{s.name} is {s.label} ({s.source}): {s.sentence}." for s in others]
    return [" ".join(told)] if told else []


def _section(
    workload: AnyWorkload,
    records: Sequence[Record],
    last: int,
    leave_out: LeaveOut,
    planned: bool,
) -> Section:
    report = workload.report
    grid = RecordGrid.of(records, workload, last, planned=planned)
    if report.exhibits is None:
        found = generic.exhibits(grid, workload.NAME)
    else:
        found = report.exhibits(grid, leave_out)
    return Section(
        report.title,
        (
            *_about(records, grid),
            *length_notes(records, workload.LENGTH_KEY),
            *remark_notes(records),
            *(exhibit for exhibit in found if isinstance(exhibit, str)),
        ),
        tuple(exhibit for exhibit in found if isinstance(exhibit, Table)),
        tuple(exhibit for exhibit in found if isinstance(exhibit, Picture)),
    )


def _about(records: Sequence[Record], grid: RecordGrid) -> tuple[str, ...]:
    count = {
        status: sum(record.status == status for record in records)
        for status in ("finished", "diverged", "failed", "unfinished", "missing")
    }
    # A run that failed and one that goes on are alike here: a retry must not change the page.
    going = count["failed"] + count["unfinished"]
    kinds = [
        f"{count['finished']} finished",
        f"{count['diverged']} diverged",
        f"{going} unfinished",
        *([f"{count['missing']} missing"] if count["missing"] else []),
    ]
    text = f"{len(records)} runs on {listed(grid.tasks)}: {', '.join(kinds)}."
    differ = f" Runs differ in {listed(grid.keys)}, which tables show." if grid.keys else ""
    return text + differ, _recipe_note(records, grid)


def _recipe_note(records: Sequence[Record], grid: RecordGrid) -> str:
    """Where recipes leave the workload's defaults."""
    workload = load(records[0].workload)
    default = workload.Recipe().values()
    found: dict[str, set[str]] = {}
    for record in records:
        for key, ours in record.recipe.values().items():
            if key != workload.TASK_KEY and ours != default[key]:
                found.setdefault(key, set()).add(printable(str(ours)))
    defaults = grid.report.defaults
    if not found:
        return f"All recipes are {defaults}."
    changes = (f"{key} {listed(sorted(texts))}" for key, texts in found.items())
    return f"Recipes are {defaults} but for: {'; '.join(changes)}."
