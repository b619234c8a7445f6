"""What has changed since an earlier report: its tables beside those of this one."""

import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.results.report_files import PROVENANCE, is_report
from workload.errors import UserError
from workload.exhibits.cells import MINUS, NOTHING, percent
from workload.exhibits.document import Document, Section, Table, Value, cell

MOST = 60
"""Changed numbers that are shown; the CSV file has all of them."""
NUMBERS_OF_ROWS = ("lambda", "weight_decay", "seed", "tau", "k")
"""Columns of numbers that say which row it is; so do all columns of text."""

RowKey = tuple[str, ...]
Rows = dict[RowKey, dict[str, str]]


@dataclass(frozen=True)
class Change:
    """A number of a table that is another one there, or is missing on one side.

    Attributes:
        table, row, figure: which it is.
        there, here: in the earlier report and in this one, None where there is none.
    """

    table: str
    row: str
    figure: str
    there: float | None
    here: float | None

    @property
    def difference(self) -> float | None:
        return None if self.there is None or self.here is None else self.here - self.there

    @property
    def relative(self) -> float:
        """The difference over the larger of both; 0 where one is missing."""
        if self.difference is None:
            return 0.0
        return abs(self.difference) / max(abs(self.there or 0.0), abs(self.here or 0.0))


def against(document: Document, folder: Path) -> Section:
    """A section on what of the tables is not as it is in the report in a folder.

    Numbers are equal where they are the same floats: the same runs give the same bytes.

    Raises:
        UserError: there is no report in the folder, or one of its tables cannot be read.
    """
    if not is_report(folder):
        raise UserError(f"--against: {folder} holds no report; name the --out of an earlier one")
    lines, changes, absent = [], [], []
    for table in document.tables:
        here, there = _rows(table), _earlier(table, folder)
        if there is None:
            absent.append(table.title)
            continue
        both = [key for key in here if key in there]
        found = [change for key in both for change in _changes(table, key, there[key], here[key])]
        numbers = sum(_number(value) is not None for key in both for value in here[key].values())
        lines.append((table, len(both), len(here) - len(both), len(there) - len(both), numbers))
        changes += found
    counts = Counter(change.table for change in changes)
    summary = [
        (table.name, table.title, both, only_here, only_there, numbers, counts[table.title])
        for table, both, only_here, only_there, numbers in lines
    ]
    told = [f"Compared with the report in {folder}{_revision(folder)}."]
    if absent:
        told.append(f"That report does not have: {', '.join(absent)}.")
    if not changes:
        told.append("No number that both have is another one.")
    tables = (_summary(summary), *([_list(changes)] if changes else []))
    return Section("Against an earlier report", tuple(told), tables)


def _changes(
    table: Table, key: RowKey, there: dict[str, str], here: dict[str, str]
) -> Iterator[Change]:
    for figure, text in here.items():
        one, other = _number(there.get(figure, "")), _number(text)
        if one != other:
            yield Change(table.title, " ".join(filter(None, key)), figure, one, other)


def _rows(table: Table) -> Rows:
    lines = [["" if value is None else str(value) for value in line] for line in table.data]
    return _by_key(table, [dict(zip(table.data_head, line, strict=True)) for line in lines])


def _earlier(table: Table, folder: Path) -> Rows | None:
    path = folder / "tables" / f"{table.name}.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return _by_key(table, list(csv.DictReader(file)))
    except FileNotFoundError:
        return None
    except (csv.Error, ValueError) as error:
        raise UserError(f"--against: {path} is damaged: {error}") from error


def _by_key(table: Table, lines: Sequence[dict[str, str]]) -> Rows:
    """Lines by what they are about; of several with one key each has its number behind it."""
    texts = {
        name
        for place, name in enumerate(table.data_head)
        if name in NUMBERS_OF_ROWS or any(isinstance(line[place], str) for line in table.data)
    }
    found: Rows = {}
    for line in lines:
        key = tuple(_short(line.get(name) or "") for name in table.data_head if name in texts)
        own, number = key, 1
        while own in found:
            number += 1
            own = (*key, f"({number})")
        found[own] = {k: v or "" for k, v in line.items() if k is not None and k not in texts}
    return found


def _short(text: str) -> str:
    number = _number(text)
    return text if number is None else f"{number:g}"


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _revision(folder: Path) -> str:
    """By which revision it was written, as far as it says so."""
    try:
        lines = (folder / PROVENANCE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    start = "Report written by "
    found = next((line.removeprefix(start) for line in lines if line.startswith(start)), "")
    return f", which {found.partition(',')[0]} wrote" if found else ""


def _summary(lines: Sequence[tuple[str, str, int, int, int, int, int]]) -> Table:
    return Table(
        name="against",
        title="What has changed in the tables",
        caption=(
            "Rows are told apart by their texts, lambda and seed. Numbers: of the rows that both "
            "reports have; changed: those among them that are not the same to the last bit."
        ),
        head=("table", "rows in both", "only here", "only there", "numbers", "changed"),
        rows=tuple(tuple(cell(str(each)) for each in line[1:]) for line in lines),
        data_head=("table", "rows_in_both", "only_here", "only_there", "numbers", "changed"),
        data=tuple((line[0], *line[2:]) for line in lines),
    )


def _list(changes: Sequence[Change]) -> Table:
    ordered = sorted(changes, key=lambda change: -change.relative)
    left = len(ordered) - MOST
    rest = f" The other {left} are in the CSV file." if left > 0 else ""
    return Table(
        name="changes",
        title="The numbers that have changed",
        caption=(
            "The largest changes first, in per cent of the larger of both numbers; then what one "
            "of both reports has alone. "
            f"{NOTHING}: it is missing there or here.{rest}"
        ),
        head=("table", "row", "figure", "there", "here", "here minus there", "per cent"),
        rows=tuple(
            tuple(
                map(
                    cell,
                    (
                        *(change.table, change.row, change.figure.replace("_", " ")),
                        *map(_text, (change.there, change.here, change.difference)),
                        NOTHING if change.difference is None else percent(change.relative),
                    ),
                )
            )
            for change in ordered[:MOST]
        ),
        data_head=("table", "row", "figure", "there", "here", "difference"),
        data=tuple(map(_values, ordered)),
    )


def _values(change: Change) -> tuple[Value, ...]:
    numbers = change.there, change.here, change.difference
    return (change.table, change.row, change.figure, *numbers)


def _text(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.4g}".replace("-", MINUS)
