"""A run's JSON-lines files, read as asked: the newest numbers, a sample of the rows, or all.

What is kept depends on what is asked for, not on the length of the file. A line that is no row is
named and left out. The last line without its line feed is still being written, or was cut off by
a kill. Imports neither torch nor numpy.
"""

import json
import math
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Damage = Callable[[str], None]
"""Told of a file's damaged lines, in one sentence."""

DIVERGED = b'"diverged": true'
BLOCK = 1 << 16  # bytes that are read at once from a file's end


def rows(
    path: Path,
    step: str,
    damage: Damage,
    *,
    most: int | None = None,
    keys: Collection[str] | None = None,
    until: float = math.inf,
) -> list[Row]:
    """The rows of a file, oldest first; none where there is no file.

    Args:
        path: the file.
        step: key of the number that every row has.
        damage: called once, where lines are left out.
        most: at most so many rows and one, at even distances, always with the newest; None for all.
        keys: those that are kept of a row, None for all.
        until: the last step that is wanted.
    """
    count = 0
    every = 1
    if most is not None:
        count = sum(1 for _ in _wanted(path, step, until, None))
        every = max(1, math.ceil(count / most))
    found = []
    problems = _Problems(path, damage)
    for place, (number_, line) in enumerate(_wanted(path, step, until, problems)):
        if every > 1 and (count - 1 - place) % every:
            continue
        row = _row(line, step)
        if isinstance(row, str):
            problems.add(number_, row)
        elif row[step] <= until:
            found.append(row if keys is None else {key: row.get(key) for key in keys})
    problems.tell()
    return found


def diverged_at(path: Path, step: str) -> float | None:
    """Step of the newest row that says the run diverged; None where none does."""
    found = None
    for line in _lines(path):
        if DIVERGED in line and not isinstance(row := _row(line, step), str):
            found = float(row[step])
    return found


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
    """The value if it is a finite number, else nan."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return math.nan
    try:
        return float(value) if math.isfinite(value) else math.nan
    except OverflowError:  # a whole number beyond what a float holds
        return math.nan


class _Problems:
    """Damaged lines of a file, told as one sentence: the first, and how many more."""

    def __init__(self, path: Path, damage: Damage) -> None:
        self._path, self._damage = path, damage
        self._first, self._count = "", 0

    def add(self, line: int, problem: str) -> None:
        self._first = self._first or f"{self._path}, line {line} is damaged: {problem}"
        self._count += 1

    def tell(self) -> None:
        if self._count:
            more = f", and {self._count - 1} more lines" if self._count > 1 else ""
            self._damage(f"{self._first}{more}")


def _wanted(
    path: Path, step: str, until: float, problems: _Problems | None
) -> Iterator[tuple[int, bytes]]:
    """Lines that have the form of a row, with their numbers from 1; where `until` is a number,
    only up to that step."""
    for place, line in enumerate(_lines(path), 1):
        if line[:1] != b"{" or line[-1:] != b"}" or not line.isascii() or b"\0" in line:
            if problems is not None:
                problems.add(place, "it is no JSON object")
        elif math.isinf(until) or _step_of(line, step) <= until:
            yield place, line


def _step_of(line: bytes, step: str) -> float:
    """Of a row; before all others where it has none, so that it is looked at and named."""
    row = _row(line, step)
    return -math.inf if isinstance(row, str) else float(row[step])


def _row(line: bytes, step: str) -> Row | str:
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


def _lines(path: Path) -> Iterator[bytes]:
    """Whole lines without their line feed."""
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line[:-1]
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
