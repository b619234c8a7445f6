"""What a run writes while it trains: JSON-lines files, TensorBoard's events, another logger's.

The files only ever grow, so their lengths are offsets to which a resumed run can cut them back.
"""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from suite.runs.event_file import EVENTS, EventFile
from suite.runs.mirror import Mirror, Row
from workload.files import finite

METRICS, EVALUATIONS = "metrics.jsonl", "eval.jsonl"


LAYER = "/layer/"
"""In keys of a single layer's figures. Rows have them; in TensorBoard they would be a thousand
graphs per run."""
COUNTS = re.compile(r"(.*/)?(frames|episodes|steps|elements)|.*_std")
"""Keys of counts and spreads: the scores and the figures of the whole network are some thirty
without them."""


class RunLogFiles:
    """Appends rows; one line per row, handed to the operating system before the call returns.

    Args:
        path: the run directory.
        step: key of rows over which TensorBoard shows metrics, e.g. `agent_steps`.
        epoch: key of rows over which it shows evaluations, e.g. `iteration`.
        own: names of the workload's own files of rows, which TensorBoard does not show.
        every_key: whether TensorBoard shows all numbers, those of each layer too.
        mirror: what else gets the rows.
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
        self._files: dict[str, BinaryIO] = {
            name: (path / name).open("ab") for name in (METRICS, EVALUATIONS, *own)
        }
        self._events = EventFile(path)

    def metrics(self, row: dict[str, Any]) -> None:
        """A row during training."""
        self._append(METRICS, row)
        self._show(row, step=int(row[self._step]), prefix="")

    def evaluation(self, row: dict[str, Any]) -> None:
        """A row at the end of an iteration or epoch; TensorBoard shows it under that name."""
        self._append(EVALUATIONS, row)
        self._show(row, step=int(row[self._epoch]), prefix=f"{self._epoch}/")

    def own(self, file: str, row: dict[str, Any]) -> None:
        """A row of one of the workload's own files."""
        self._append(file, row)

    def offsets(self) -> dict[str, int]:
        """Bytes per file, all of them on the disk: a checkpoint may rely on them."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        sizes = {name: os.fstat(file.fileno()).st_size for name, file in self._files.items()}
        return {**sizes, EVENTS: self._events.size()}

    def rewind(self, offsets: dict[str, int]) -> None:
        """Cut every file back to its offset; `{}` empties them.

        Raises:
            OSError: a file is shorter than its offset: rows have been lost.
        """
        files = {name: self.path / name for name in self._files} | {EVENTS: self._events.path}
        for name, file in files.items():
            size, offset = file.stat().st_size, offsets.get(name, 0)
            if size < offset:
                raise OSError(f"{file} has {size:,} bytes, the checkpoint was made at {offset:,}")
        for name, stream in self._files.items():
            stream.truncate(offsets.get(name, 0))
        self._events.begin(offsets.get(EVENTS, 0))
        if self._mirror is not None:
            rows = [row for name in (METRICS, EVALUATIONS) for row in _rows(self.path / name)]
            rows.sort(key=lambda row: float(row[self._step]))
            self._mirror.begin(map(self._numbers, rows))

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._events.close()
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
        self._files[name].write(line)
        self._files[name].flush()

    def _show(self, row: dict[str, Any], step: int, prefix: str) -> None:
        _, numbers = shown = self._numbers(row)
        axes = self._step, self._epoch
        self._events.scalars({prefix + k: v for k, v in numbers.items() if k not in axes}, step)
        if self._mirror is not None:
            self._mirror.row(shown)

    def _numbers(self, row: dict[str, Any]) -> Row:
        """The step, and what loggers show of a row."""
        numbers = {
            key: float(value)
            for key, value in row.items()
            if isinstance(value, int | float) and (self._every_key or _is_shown(key))
        }
        return int(row[self._step]), numbers


def _is_shown(key: str) -> bool:
    return LAYER not in key and not COUNTS.fullmatch(key)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]
