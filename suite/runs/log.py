"""What a run writes while it trains: JSON-lines files, TensorBoard's events, another logger's.

The files only ever grow, so their lengths are offsets to which a resumed run can cut them back.
Rows that have been lost stay lost, are told, and keep no run from going on. Events hold nothing
that rows do not: they are written from the rows again where they are damaged.
"""

import json
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

from suite.runs.event_file import EVENTS, EventFile
from suite.runs.mirror import Mirror, Row
from suite.runs.session import remark
from workload.by_products import by_product
from workload.errors import DAMAGE, UserError, naming
from workload.files import finite
from workload.output import warn
from workload.wording import counted

METRICS, EVALUATIONS = "metrics.jsonl", "eval.jsonl"
ROWS, CRC = "rows of ", "crc of "
"""With a file's name, under what a checkpoint keeps these of it."""


LAYER = "/layer/"
"""In keys of a single layer's figures. Rows have them; in TensorBoard they would be a thousand
graphs per run."""
COUNTS = re.compile(r"(.*/)?(frames|episodes|steps|elements)|.*_std")
"""Keys of counts and spreads: the scores and the figures of the whole network are some thirty
without them."""


class _Written(NamedTuple):
    """What a file of rows has been given: how many, and the CRC-32 of their lines."""

    rows: int = 0
    crc: int = 0

    def and_row(self, line: bytes) -> "_Written":
        return _Written(self.rows + 1, zlib.crc32(line, self.crc))


class RunLogFiles:
    """Appends rows; one line per row, handed to the operating system before the call returns.

    Args:
        path: the run directory.
        step: key of rows over which TensorBoard shows metrics, e.g. `agent_steps`.
        epoch: key of rows over which it shows evaluations, e.g. `iteration`.
        own: names of the workload's own files of rows, which TensorBoard does not show.
        every_key: whether TensorBoard shows all numbers, those of each layer too.
        mirror: what else gets the rows.

    Raises:
        UserError: something that is no file of rows is in its place.
    """

    def __init__(
        self,
        path: Path,
        step: str,
        epoch: str,
        own: Sequence[str] = (),
        *,
        every_key: bool = False,
        mirror: Mirror | None = None,
    ) -> None:
        self.path = path
        self._step, self._epoch = step, epoch
        self._every_key, self._mirror = every_key, mirror
        self._files = {name: _opened(path / name) for name in (METRICS, EVALUATIONS, *own)}
        self._written = dict.fromkeys(self._files, _Written())
        self._events: EventFile | None = None  # None while they cannot be written
        with by_product(path / EVENTS):
            self._events = EventFile(path)

    def metrics(self, row: dict[str, Any]) -> None:
        """A row during training."""
        self._append(METRICS, row)
        self._show(METRICS, row)

    def evaluation(self, row: dict[str, Any]) -> None:
        """A row at the end of an iteration or epoch; TensorBoard shows it under that name."""
        self._append(EVALUATIONS, row)
        self._show(EVALUATIONS, row)

    def own(self, file: str, row: dict[str, Any]) -> None:
        """A row of one of the workload's own files."""
        self._append(file, row)

    def remark(self, text: str) -> None:
        """Say, and have in the run's record, what an undisturbed run would not have."""
        warn(f"{self.path}: {text}")
        remark(self.path, text)

    def offsets(self) -> dict[str, int]:
        """Bytes per file, all of them on the disk: a checkpoint may rely on them. Also how many
        rows they are, and their CRC-32."""
        found: dict[str, int] = {}
        for name, file in self._files.items():
            with naming(self.path / name):
                os.fsync(file.fileno())
            rows, crc = self._written[name]
            found |= {name: os.fstat(file.fileno()).st_size, ROWS + name: rows, CRC + name: crc}
        if self._events is None:
            self._write_events_again()
        with by_product(self.path / EVENTS):
            if self._events is not None:
                found[EVENTS] = self._events.size()
        return found

    def rewind(self, offsets: dict[str, int]) -> None:
        """Cut every file back to its offset; `{}` empties them. Of a file that is shorter every
        whole row is kept, and a remark says how many are missing, or that some are damaged."""
        for name, file in self._files.items():
            offset = offsets.get(name, 0)
            kept, written = _whole_rows(self.path / name, offset)
            file.truncate(kept)
            self._written[name] = written
            missing = offsets.get(ROWS + name, 0) - written.rows
            if kept < offset:
                some = counted(missing, "row") if missing > 0 else "some rows"
                self.remark(f"{name} has lost {some}, {offset - kept:,} bytes")
            elif written.crc != offsets.get(CRC + name, written.crc):
                self.remark(f"{name} is damaged: its rows are not what was written")
        self._rewind_events(offsets.get(EVENTS, 0))
        if self._mirror is not None:
            rows = [row for name in (METRICS, EVALUATIONS) for row in self._rows(name)]
            rows.sort(key=lambda row: float(row[self._step]))
            self._mirror.begin(map(self._numbers, rows))

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._close_events()
        if self._mirror is not None:
            self._mirror.close()

    def __enter__(self) -> "RunLogFiles":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _append(self, name: str, row: dict[str, Any]) -> None:
        line = json.dumps(finite(row), allow_nan=False).encode() + b"\n"
        with naming(self.path / name):
            self._files[name].write(line)
            self._files[name].flush()
        self._written[name] = self._written[name].and_row(line)

    def _show(self, name: str, row: dict[str, Any]) -> None:
        """Have a row in the events; once that fails, not before they can be written again."""
        if self._mirror is not None:
            self._mirror.row(self._numbers(row))
        if self._events is None:
            return
        with by_product(self.path / EVENTS):
            self._add_events(self._events, name, row)
            return
        self._close_events()

    def _rewind_events(self, offset: int) -> None:
        with by_product(self.path / EVENTS):
            if self._events is not None and self._events.path.stat().st_size >= offset:
                self._events.begin(offset)
                return
        self._write_events_again()

    def _write_events_again(self) -> None:
        """From the rows, with the time of now."""
        self._close_events()
        with by_product(self.path / EVENTS):
            events = EventFile(self.path)
            events.begin(0)
            for name in (METRICS, EVALUATIONS):
                for row in self._rows(name):
                    self._add_events(events, name, row)
            self._events = events

    def _close_events(self) -> None:
        events, self._events = self._events, None
        if events is not None:
            with by_product(self.path / EVENTS):
                events.close()

    def _add_events(self, events: EventFile, name: str, row: dict[str, Any]) -> None:
        _, numbers = self._numbers(row)
        axis, prefix = (self._step, "") if name == METRICS else (self._epoch, f"{self._epoch}/")
        axes = self._step, self._epoch
        values = {prefix + key: value for key, value in numbers.items() if key not in axes}
        events.scalars(values, int(row[axis]))

    def _numbers(self, row: dict[str, Any]) -> Row:
        """The step, and what loggers show of a row."""
        numbers = {
            key: float(value)
            for key, value in row.items()
            if isinstance(value, int | float) and (self._every_key or _is_shown(key))
        }
        return int(row[self._step]), numbers

    def _rows(self, name: str) -> Iterator[dict[str, Any]]:
        """What can be read of a file."""
        for line in (self.path / name).read_bytes().splitlines():
            with suppress(*DAMAGE):
                row = json.loads(line)
                if name == EVALUATIONS:
                    int(row[self._epoch])
                int(row[self._step])
                yield row


def _is_shown(key: str) -> bool:
    return LAYER not in key and not COUNTS.fullmatch(key)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("ab")
    except OSError as error:
        raise UserError(
            f"{path} can hold no rows: {error.strerror}; move it away and give the same command "
            "again: the run goes on without the rows that were in it"
        ) from error


def _whole_rows(path: Path, offset: int) -> tuple[int, _Written]:
    """Bytes of the whole rows among the first bytes of a file, and what they are."""
    size, written = 0, _Written()
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n") or size + len(line) > offset:
                break
            size, written = size + len(line), written.and_row(line)
    return size, written
