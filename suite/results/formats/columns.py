"""Lines of named values as CSV or Parquet, written as they come."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from io import TextIOWrapper
from itertools import islice
from typing import Any, BinaryIO

from workload.errors import UserError

Columns = Mapping[str, str]
"""The kind of each column, in order: bool, int, float, text; empty where no line has a value."""
Line = Mapping[str, Any]
Write = Callable[[BinaryIO, Columns, Iterator[Line]], None]
GROUP = 10_000
"""Lines of a row group of Parquet: what is in memory at once."""
WHOLE = 2**63
"""From here on a whole number fits no column of whole numbers."""


class Kinds:
    """The columns of some lines: every key, in the order in which they come, with its kind."""

    def __init__(self, columns: Columns | None = None) -> None:
        self.columns: dict[str, str] = dict(columns or {})

    def add(self, line: Line) -> None:
        """Take the keys and values of a line into account."""
        for key, value in line.items():
            before, own = self.columns.get(key, ""), _kind(value)
            if before != own:
                self.columns[key] = _both(before, own)


def csv_writer() -> Write:
    """RFC 4180 with line feeds."""

    def write(stream: BinaryIO, columns: Columns, lines: Iterator[Line]) -> None:
        text = TextIOWrapper(
            *(stream, "utf-8"), errors="backslashreplace", newline="", write_through=True
        )
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([line.get(key) for key in columns] for line in lines)
        text.detach()

    return write


def parquet_writer() -> Write:
    """Columns of their kinds; those without a value hold null alone.

    Raises:
        UserError: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetWriter
    except ImportError as error:
        raise UserError("--to parquet: pyarrow is not installed; pip install pyarrow") from error
    types = {
        "bool": pyarrow.bool_(),
        "int": pyarrow.int64(),
        "float": pyarrow.float64(),
        "text": pyarrow.string(),
        "": pyarrow.null(),
    }

    def write(stream: BinaryIO, columns: Columns, lines: Iterator[Line]) -> None:
        schema = pyarrow.schema([(key, types[kind]) for key, kind in columns.items()])
        with ParquetWriter(stream, schema) as writer:
            while group := list(islice(lines, GROUP)):
                found = {
                    key: [_converted(line.get(key), kind) for line in group]
                    for key, kind in columns.items()
                }
                writer.write_table(pyarrow.table(found, schema=schema))

    return write


WRITERS: Mapping[str, Callable[[], Write]] = {"csv": csv_writer, "parquet": parquet_writer}
"""What makes the writer of a format."""


def _kind(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "bool"
        case int():
            return "int" if abs(value) < WHOLE else "float"
        case float():
            return "float"
    return "text"


def _both(one: str, other: str) -> str:
    """The kind that holds values of both."""
    if not (one and other):
        return one or other
    return "float" if {one, other} == {"int", "float"} else "text"


def _converted(value: Any, kind: str) -> Any:
    if value is None or kind == "bool" or kind == "int":
        return value
    if kind == "float":
        return float(value) if abs(value) < 1e308 else None
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    return json.dumps(value)
