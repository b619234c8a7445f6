"""A run's numbers as TensorBoard's events.

TensorBoard reads a file to its end and then goes on to the next one by name; it never looks back.
So every start of a run has a file of its own: what the checkpoint knows of the file before, which
is emptied, and what follows. The first event of each file says that the run has been started, on
which an open TensorBoard forgets what it has shown: rows of a lost attempt among them.
"""

import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workload.files import read_json, sync, write_whole

EVENTS = "events.out.tfevents.run"
"""Of the first start; the names of later ones have its number behind it."""
NAME = re.compile(rf"{re.escape(EVENTS)}(?:-(\d{{4,}}))?")
PARTIAL = "events"
"""Of a file while it is written. TensorBoard would read one with tfevents in its name."""


class EventFile:
    """Appends events, each handed to the operating system before the call returns.

    Args:
        path: the run directory.
    """

    def __init__(self, path: Path) -> None:
        self._folder = path
        files = _files(path)
        self._path = files[-1] if files else path / EVENTS
        self._file = self._path.open("ab")

    @property
    def path(self) -> Path:
        return self._path

    def begin(self, size: int) -> None:
        """Go on in a file with the first `size` bytes of this one.

        Raises:
            OSError: it cannot be written; this one is as it was.
        """
        if not os.fstat(self._file.fileno()).st_size:
            return
        following = self._folder / f"{EVENTS}-{_starts(self._path):04d}"
        with self._path.open("rb") as before:
            write_whole(self._folder / PARTIAL, before.read(size))
        (self._folder / PARTIAL).replace(following)
        sync(self._folder)
        self.close()
        self._path, self._file = following, following.open("ab")
        for earlier in _files(self._folder)[:-1]:
            os.truncate(earlier, 0)  # not deleted: an open TensorBoard would look for it for ever

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """A value per tag."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        if not os.fstat(self._file.fileno()).st_size:
            self._write(self._head())
        parts = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._write([_event(step=step, summary=Summary(value=parts))])

    def size(self) -> int:
        """Bytes, all of them on the disk."""
        os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        self._file.close()

    def _head(self) -> list[Any]:
        from tensorboard.compat.proto.event_pb2 import SessionLog

        started = SessionLog(status=SessionLog.START)
        return [
            _event(file_version="brain.Event:2"),
            _event(step=0, session_log=started),
            *(_event(step=0, summary=summary) for summary in self._hyperparameters()),
        ]

    def _hyperparameters(self) -> Sequence[Any]:
        """What TensorBoard's page HPARAMS compares runs by: recipe and member of config.json."""
        config = read_json(self._folder / "config.json")
        if config is None:
            return ()
        from torch.utils.tensorboard.summary import hparams

        values = {**config["recipe"], **config["member"]}
        summaries: Sequence[Any] = hparams(  # type: ignore[no-untyped-call]
            {key: value for key, value in values.items() if value is not None}, {}
        )
        return summaries

    def _write(self, events: Iterable[Any]) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        for event in events:
            RecordWriter(self._file).write(event.SerializeToString())
        self._file.flush()


def emptied(path: Path) -> list[Path]:
    """Files of earlier starts, whose numbers a later one has taken over."""
    return [file for file in _files(path)[:-1] if not file.stat().st_size]


def _files(path: Path) -> list[Path]:
    """By the number of their start."""
    return sorted(file for file in path.glob(f"{EVENTS}*") if NAME.fullmatch(file.name))


def _starts(file: Path) -> int:
    """How many starts there had been when a file had ended."""
    match = NAME.fullmatch(file.name)
    return 1 + int(match[1]) if match and match[1] else 1


def _event(**values: Any) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=time.time(), **values)
