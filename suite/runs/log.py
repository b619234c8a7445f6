"""What a run writes while it trains: JSON-lines files and TensorBoard events.

They only ever grow, so their lengths are offsets to which a resumed run can cut them back.
"""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from workload.files import finite, read_json

METRICS, EVALUATIONS, EVENTS = "metrics.jsonl", "eval.jsonl", "events.out.tfevents.run"


LAYER = "optim/layer/"
"""How keys of a single layer's figures begin. Rows have them; in TensorBoard they would be a
thousand graphs per run."""


class RunLogFiles:
    """Appends rows; one line per row, handed to the operating system before the call returns.

    Args:
        path: the run directory.
        step: key of rows over which TensorBoard shows metrics, e.g. `agent_steps`.
        epoch: key of rows over which it shows evaluations, e.g. `iteration`.
        own: names of the workload's own files of rows, which TensorBoard does not show.
    """

    def __init__(self, path: Path, step: str, epoch: str, own: Sequence[str] = ()) -> None:
        self.path = path
        self._step, self._epoch = step, epoch
        self._files: dict[str, BinaryIO] = {
            name: (path / name).open("ab") for name in (METRICS, EVALUATIONS, EVENTS, *own)
        }

    def metrics(self, row: dict[str, Any]) -> None:
        """A row during training."""
        self._append(METRICS, row)
        self._events(row, step=int(row[self._step]), prefix="")

    def evaluation(self, row: dict[str, Any]) -> None:
        """A row at the end of an iteration or epoch; TensorBoard shows it under that name."""
        self._append(EVALUATIONS, row)
        self._events(row, step=int(row[self._epoch]), prefix=f"{self._epoch}/")

    def own(self, file: str, row: dict[str, Any]) -> None:
        """A row of one of the workload's own files."""
        self._append(file, row)

    def offsets(self) -> dict[str, int]:
        """Bytes per file, all of them on the disk: a checkpoint may rely on them."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        return {name: os.fstat(file.fileno()).st_size for name, file in self._files.items()}

    def rewind(self, offsets: dict[str, int]) -> None:
        """Cut every file back to its offset; `{}` empties them.

        Raises:
            OSError: a file is shorter than its offset: rows have been lost.
        """
        for name, file in self._files.items():
            size, offset = os.fstat(file.fileno()).st_size, offsets.get(name, 0)
            if size < offset:
                raise OSError(
                    f"{self.path / name} has {size:,} bytes, the checkpoint was made at {offset:,}"
                )
            file.truncate(offset)

    def close(self) -> None:
        for file in self._files.values():
            file.close()

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
        self._write(name, json.dumps(finite(row), allow_nan=False).encode() + b"\n")

    def _events(self, row: dict[str, Any], step: int, prefix: str) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        if not os.fstat(self._files[EVENTS].fileno()).st_size:
            version = Event(wall_time=time.time(), file_version="brain.Event:2")
            self._write(EVENTS, _record(version.SerializeToString()))
            for summary in self._hyperparameters():
                event = Event(wall_time=time.time(), step=0, summary=summary)
                self._write(EVENTS, _record(event.SerializeToString()))
        values = [
            Summary.Value(tag=prefix + key, simple_value=value)
            for key, value in row.items()
            if isinstance(value, int | float)
            and key not in (self._step, self._epoch)
            and not key.startswith(LAYER)
        ]
        event = Event(wall_time=time.time(), step=step, summary=Summary(value=values))
        self._write(EVENTS, _record(event.SerializeToString()))

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

    def _write(self, name: str, data: bytes) -> None:
        self._files[name].write(data)
        self._files[name].flush()


def _record(data: bytes) -> bytes:
    from io import BytesIO

    from tensorboard.summary.writer.record_writer import RecordWriter

    buffer = BytesIO()
    RecordWriter(buffer).write(data)
    return buffer.getvalue()
