"""A run's JSON-lines files, read as asked: the newest numbers, a sample of the rows, or all.

What is kept depends on what is asked for, not on the length of the file. A line that is no row is
named and left out. The last line without its line feed is still being written, or was cut off by
a kill. Imports neither torch nor numpy.
"""

import json
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LogRow = dict[str, Any]
TellDamage = Callable[[str], None]
"""Told of a file's damaged lines, in one sentence."""

DIVERGED = b'"diverged": true'
LARGEST = 3.4028234663852886e38
"""Of float32, in which all that is trained is computed: more is damage, and would have no mean."""
BLOCK, LARGE_BLOCK = 1 << 16, 1 << 20  # bytes that are read at once from the end, from the start


def rows(path: Path, step: str, tell_damage: TellDamage) -> list[LogRow]:
    """All rows of a file that has few, oldest first; none where there is no file.

    Args:
        path: the file.
        step: key of the number that every row has.
        tell_damage: called once, where lines are left out.
    """
    problems = _Problems(path, tell_damage)
    found = []
    for line_number, line in _lines(path):
        row = (
            problems.row(line_number, line, step) if problems.has_form(line_number, line) else None
        )
        if row is not None:
            found.append(row)
    problems.tell()
    return found


@dataclass(frozen=True)
class Sample:
    """Some rows of a long file, oldest first; and the step of its newest row that says the run
    diverged, None where none does."""

    rows: list[LogRow]
    diverged_at: float | None


def sample(
    path: Path,
    step: str,
    tell_damage: TellDamage,
    *,
    most: int,
    keys: Collection[str],
    until: float = math.inf,
) -> Sample:
    """Rows at even distances, always with the newest.

    Args:
        path, step, tell_damage: as of `rows`.
        most: at most so many rows, and one.
        keys: those that are kept of a row.
        until: the last step that is wanted.
    """
    count = _count(path) if math.isinf(until) else _count_until(path, step, until)
    every = max(1, math.ceil(count / most))
    problems = _Problems(path, tell_damage)
    found: list[LogRow] = []
    diverged_at = None
    for line_number, line in _lines(path):
        if not problems.has_form(line_number, line):
            continue
        diverged = DIVERGED in line
        if not diverged and (line_number > count or (count - line_number) % every):
            continue
        row = problems.row(line_number, line, step)
        if row is None:
            continue
        if diverged:
            diverged_at = float(row[step])
        if line_number <= count and not (count - line_number) % every:
            found.append({key: row.get(key) for key in keys})
    problems.tell()
    return Sample(found, diverged_at)


def newest(
    path: Path, step: str, keys: Collection[str], until: float = math.inf
) -> dict[str, float]:
    """The newest finite number under each key that has one, read from the file's end."""
    found: dict[str, float] = {}
    left = set(keys)
    for line in _lines_from_the_end(path):
        if not left:
            break
        if not any(f'"{key}"'.encode() in line for key in left):
            continue
        row = _row(line, step)
        if isinstance(row, str) or row[step] > until:
            continue
        for key in sorted(left):
            value = number(row.get(key))
            if not math.isnan(value):
                found[key] = value
                left.remove(key)
    return found


def number(value: Any) -> float:
    """The value if it is a finite number that a float32 holds, else nan."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return math.nan
    return float(value) if abs(value) <= LARGEST else math.nan  # nan is not below anything


class _Problems:
    """Damaged lines of a file, told as one sentence: the first, and how many more."""

    def __init__(self, path: Path, tell_damage: TellDamage) -> None:
        self._path, self._tell_damage = path, tell_damage
        self._first, self._count = "", 0

    def has_form(self, line_number: int, line: bytes) -> bool:
        """Whether a line looks like a row."""
        if line[:1] == b"{" and line[-1:] == b"}" and line.isascii() and b"\0" not in line:
            return True
        self._add(line_number, "it is no JSON object")
        return False

    def row(self, line_number: int, line: bytes, step: str) -> LogRow | None:
        """The row of a line; None where it is none."""
        row = _row(line, step)
        if isinstance(row, str):
            self._add(line_number, row)
            return None
        for key, value in row.items():
            if isinstance(value, int | float) and abs(value) > LARGEST:
                self._add(line_number, f"{key} is beyond {LARGEST:.2g}, which is left out")
        return row

    def tell(self) -> None:
        if self._count:
            more = f", and {self._count - 1} more lines" if self._count > 1 else ""
            self._tell_damage(f"{self._first}{more}")

    def _add(self, line_number: int, problem: str) -> None:
        self._first = self._first or f"{self._path}, line {line_number} is damaged: {problem}"
        self._count += 1


def _count(path: Path) -> int:
    """Whole lines."""
    try:
        with path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(LARGE_BLOCK), b""))
    except FileNotFoundError:
        return 0


def _count_until(path: Path, step: str, until: float) -> int:
    """Lines up to the last row whose step is not beyond `until`."""
    count = 0
    for line_number, line in _lines(path):
        row = _row(line, step)
        if not isinstance(row, str) and row[step] <= until:
            count = line_number
    return count


def _row(line: bytes, step: str) -> LogRow | str:
    """The row, or what is wrong with it."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"{error} in {line[:40]!r}..."
    if not isinstance(row, dict):
        return "it holds no JSON object"
    if math.isnan(number(row.get(step))):
        return f"it has no number {step!r}"
    return row


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Whole lines without their line feed, with their numbers from 1."""
    try:
        with path.open("rb", LARGE_BLOCK) as file:
            for line_number, line in enumerate(file, 1):
                if line.endswith(b"\n"):
                    yield line_number, line[:-1]
    except FileNotFoundError:
        return


def _lines_from_the_end(path: Path) -> Iterator[bytes]:
    """Whole lines, the newest first."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        left = file.seek(0, 2)
        rest, whole = b"", False  # of a line whose start has not been read; ends in a line feed
        while left:
            size = min(BLOCK, left)
            left -= size
            file.seek(left)
            first, *others = (file.read(size) + rest).split(b"\n")
            for line in reversed(others):
                if whole:
                    yield line
                whole = True
            rest = first
        if whole:
            yield rest
