"""A run's JSON-lines files as columns: all rows of a short file, some of a long one.

The metrics of a full run are thousands of rows of a hundred keys. A figure shows a few hundred
points of a few keys, so only those are parsed and kept.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workload.errors import UserError

Columns = dict[str, NDArray[np.float64]]

POINTS = 200
DIVERGED = b'"diverged": true'


def evaluation_rows(path: Path, step: str) -> list[dict[str, Any]]:
    """All rows of a file that has few.

    Raises:
        UserError: a line is damaged.
    """
    return [_row(line, step, path) for line in _lines(path)]


def sampled_columns(
    path: Path, step: str, keys: Sequence[str]
) -> tuple[Columns, int | float | None]:
    """Columns of at most POINTS + 1 rows at even distances, always with the newest.

    Returns:
        the columns `step` and `keys`, nan where a row has no number; and the step of the row
        that says the run diverged, None where none does.

    Raises:
        UserError: a line that is parsed is damaged, or another one has not even the form of a row.
    """
    lines = _lines(path)
    every = max(1, math.ceil(len(lines) / POINTS))
    chosen = lines[(len(lines) - 1) % every :: every]
    rows = [_row(line, step, path) for line in chosen]
    marked = [_row(line, step, path) for line in lines if DIVERGED in line]
    return columns(rows, [step, *keys]), marked[-1][step] if marked else None


def columns(rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> Columns:
    """[rows] per key, nan where a row has no finite number under it."""
    return {key: np.array([number(row.get(key)) for row in rows], dtype=float) for key in keys}


def number(value: Any) -> float:
    """The value if it is a finite number, else nan."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return math.nan
    try:
        return float(value) if math.isfinite(value) else math.nan
    except OverflowError:  # a whole number beyond what a float holds
        return math.nan


def _lines(path: Path) -> list[bytes]:
    """Complete lines of a file, none where there is no file.

    The last line without its line feed is still being written, or was cut off by a kill.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    for place, line in enumerate(lines, 1):
        if line[:1] != b"{" or line[-1:] != b"}" or not line.isascii() or b"\0" in line:
            raise UserError(f"{path}, line {place} is damaged: it is no JSON object")
    return lines


def _row(line: bytes, step: str, path: Path) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error} in {line[:40]!r}...") from error
    if not isinstance(row, dict) or math.isnan(number(row.get(step))):
        raise UserError(f"{path} is damaged: a row has no number {step!r}")
    return row
