"""What a run writes while it trains: JSON-lines files and TensorBoard events.

They only ever grow, so their lengths are offsets to which a resumed run can cut them back. Rows
that have been lost stay lost, are told, and keep no run from going on. Events hold nothing that
rows do not: they are written from the rows again where they are damaged.
"""

import json
import os
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

from suite.runs.session import remark
from workload.by_products import by_product
from workload.errors import UserError, naming
from workload.files import finite, read_json
from workload.output import warn
from workload.wording import counted

ROWS, CRC = "rows of ", "crc of "
"""With a file's name, under what a checkpoint keeps these of it."""
METRICS, EVALUATIONS, EVENTS = "metrics.jsonl", "eval.jsonl", "events.out.tfevents.run"


LAYER = "optim/layer/"
"""How keys of a single layer's figures begin. Rows have them; in TensorBoard they would be a
thousand graphs per run."""


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

    Raises:
        UserError: something that is no file of rows is in its place.
    """

    def __init__(self, path: Path, step: str, epoch: str, own: Sequence[str] = ()) -> None:
        self.path = path
        self._step, self._epoch = step, epoch
        self._files = {name: _opened(path / name) for name in (METRICS, EVALUATIONS, *own)}
        self._written = dict.fromkeys(self._files, _Written())
        self._events: BinaryIO | None = None  # None while they cannot be written
        with by_product(path / EVENTS):
            self._events = (path / EVENTS).open("ab")

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
                os.fsync(self._events.fileno())
                found[EVENTS] = os.fstat(self._events.fileno()).st_size
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

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._close_events()

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
        if self._events is None:
            return
        with by_product(self.path / EVENTS):
            self._add_events(self._events, name, row)
            return
        self._close_events()

    def _rewind_events(self, offset: int) -> None:
        with by_product(self.path / EVENTS):
            if self._events is not None and os.fstat(self._events.fileno()).st_size >= offset:
                self._events.truncate(offset)
                return
        self._write_events_again()

    def _write_events_again(self) -> None:
        """From the rows, with the time of now."""
        self._close_events()
        with by_product(self.path / EVENTS):
            events = (self.path / EVENTS).open("wb")
            for name in (METRICS, EVALUATIONS):
                for line in (self.path / name).open("rb"):
                    with suppress(ValueError, TypeError, KeyError, RecursionError):  # a damaged row
                        self._add_events(events, name, json.loads(line))
            self._events = events

    def _close_events(self) -> None:
        events, self._events = self._events, None
        if events is not None:
            with by_product(self.path / EVENTS):
                events.close()

    def _add_events(self, events: BinaryIO, name: str, row: dict[str, Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        during = name == METRICS
        step, prefix = (
            row[self._step if during else self._epoch],
            "" if during else f"{self._epoch}/",
        )
        if not os.fstat(events.fileno()).st_size:
            version = Event(wall_time=time.time(), file_version="brain.Event:2")
            events.write(_record(version.SerializeToString()))
            for summary in self._hyperparameters():
                event = Event(wall_time=time.time(), step=0, summary=summary)
                events.write(_record(event.SerializeToString()))
        values = [
            Summary.Value(tag=prefix + key, simple_value=value)
            for key, value in row.items()
            if isinstance(value, int | float)
            and key not in (self._step, self._epoch)
            and not key.startswith(LAYER)
        ]
        event = Event(wall_time=time.time(), step=int(step), summary=Summary(value=values))
        events.write(_record(event.SerializeToString()))
        events.flush()

    def _hyperparameters(self) -> Sequence[Any]:
        """What TensorBoard's page HPARAMS compares runs by: recipe and member of config.json."""
        config = read_json(self.path / "config.json")
        if config is None:
            return ()
        from torch.utils.tensorboard.summary import hparams

        values = {**config["recipe"], **config["member"]}
        summaries: Sequence[Any] = hparams(  # type: ignore[no-untyped-call]
            {key: value for key, value in values.items() if value is not None}, {}
        )
        return summaries


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


def _record(data: bytes) -> bytes:
    from io import BytesIO

    from tensorboard.summary.writer.record_writer import RecordWriter

    buffer = BytesIO()
    RecordWriter(buffer).write(data)
    return buffer.getvalue()
