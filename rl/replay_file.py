"""The replay on disk: what was appended, in numbered segments that only ever grow.

    <first row>.blocks   10,000 rows, compressed (rl/segment.py)
    <first row>.rows     the same as they are, one behind the other: read where a run has some

A checkpoint writes the rows since the one before and nothing else. Rows beyond those that the
published checkpoint counts are leftovers of a kill; the same rows will be written once more, and
what was written last counts.
"""

import hashlib
import itertools
import shutil
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np

from rl.memory import COLUMNS, ObservationSpec
from rl.replay import Replay, Rows
from rl.segment import Segment
from workload.by_products import discard

SEGMENT = 10_000
COMPRESSED, UNCOMPRESSED = ".blocks", ".rows"


class Restores(Protocol):
    """What rows are read into, and what their frames are."""

    @property
    def shows(self) -> ObservationSpec:
        """As of a `Replay`."""

    def restore(self, member: int, start: int, rows: Rows) -> None:
        """Put them there."""


class ReplayFile:
    """One member's replay in a folder of its own.

    Args:
        folder: where the segments lie; made when first written to.
        capacity: rows the replay holds; older ones are not needed.
    """

    def __init__(self, folder: Path, capacity: int) -> None:
        self._folder, self._capacity = folder, capacity
        self._written = 0
        self._crcs = np.zeros(0, dtype=np.uint32)  # of the last rows before `_written`

    @property
    def folder(self) -> Path:
        """Where the segments lie."""
        return self._folder

    @property
    def digest(self) -> str:
        """The sha256 of the checksums of the rows that a replay holds of those written or read."""
        return hashlib.sha256(self._crcs.tobytes()).hexdigest()

    def write(self, replay: Replay, k: int) -> None:
        """Append what member k's replay was given since the last call, and sync it to the disk."""
        self._folder.mkdir(parents=True, exist_ok=True)
        end = int(replay.appended[k])
        row = _row(replay.shows)
        for start, stop in _cut(max(self._written, end - self._capacity), end):
            rows = replay.rows(k, start, stop)
            packed = np.empty(stop - start, dtype=row)
            for name in rows._fields:
                packed[name] = getattr(rows, name)
            packed["crc"] = _checksums(packed)
            Segment(self._segment(start), row).append(start, packed)
            self._remember(packed)
        self._written = end

    def read(
        self,
        replay: Restores,
        k: int,
        end: int,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[int], None] = lambda rows: None,
    ) -> None:
        """Give member k's replay the rows up to number `end`, as far back as it holds, unless
        `stop` ends it between two segments; `progress` is told how many rows each one had.

        Raises:
            ValueError: rows are missing or damaged.
        """
        self._crcs = self._crcs[:0]
        row = _row(replay.shows)
        for start, after in _cut(max(0, end - self._capacity), end):
            if stop():
                return
            packed = self._stored(start, after, row)
            replay.restore(k, start, Rows(*(packed[name] for name in Rows._fields)))
            self._remember(packed)
            progress(len(packed))
        self._written = end

    def forget_before(self, end: int) -> None:
        """Delete the segments that no replay filled up to row `end` or later would read."""
        needed = max(0, end - self._capacity) // SEGMENT
        for suffix in (COMPRESSED, UNCOMPRESSED):
            for path in self._folder.glob(f"*{suffix}"):
                if path.stem.isdecimal() and int(path.stem) // SEGMENT < needed:
                    discard(path)

    def delete(self) -> None:
        """Delete all segments, also when another process is at it too."""
        for path in self._folder.glob("*"):
            if path.stem.isdecimal() and path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.stem.isdecimal():
                discard(path)
        with suppress(OSError):  # something else is in it, or it is gone
            self._folder.rmdir()

    def _stored(self, start: int, stop: int, row: np.dtype[np.void]) -> np.ndarray:
        """Rows number `start` to `stop` - 1, all of one segment."""
        packed = np.empty(stop - start, dtype=row)
        missing = np.ones(stop - start, dtype=bool)
        segment = self._segment(start)
        Segment(segment, row).fill(packed, start, missing)
        if missing.any():
            _fill_uncompressed(segment.with_suffix(UNCOMPRESSED), packed, start, missing)
        if missing.any():
            lost = start + int(missing.argmax())
            raise ValueError(f"{segment.name} lacks rows {lost:,} to {stop:,}")
        if not np.array_equal(packed["crc"], _checksums(packed)):
            raise ValueError(f"{segment.stem} is damaged: it is not what was written")
        return packed

    def _remember(self, packed: np.ndarray) -> None:
        self._crcs = np.concatenate([self._crcs, packed["crc"]])[-self._capacity :]

    def _segment(self, row: int) -> Path:
        return self._folder / f"{row - row % SEGMENT:012d}{COMPRESSED}"


def _fill_uncompressed(path: Path, rows: np.ndarray, start: int, missing: np.ndarray) -> None:
    """As `Segment.fill`, from a file that has its rows one behind the other."""
    offset = start % SEGMENT * rows.dtype.itemsize
    if path.exists() and path.stat().st_size > offset:
        found = np.fromfile(path, dtype=rows.dtype, count=len(rows), offset=offset)
        wanted = missing[: len(found)]
        rows[: len(found)][wanted] = found[wanted]
        missing[: len(found)] = False


def _cut(start: int, stop: int) -> list[tuple[int, int]]:
    """Cut [start, stop) where segments begin."""
    cuts = [start, *range(start - start % SEGMENT + SEGMENT, stop, SEGMENT), stop]
    return [pair for pair in itertools.pairwise(cuts) if pair[0] < pair[1]]


def _row(shows: ObservationSpec) -> np.dtype[np.void]:
    frames = ("frames", shows.dtype, shows.shape)
    return np.dtype([frames, *COLUMNS.items(), ("crc", np.uint32)])


def _checksums(packed: np.ndarray) -> list[int]:
    """The CRC-32 of each row, its own last four bytes left out."""
    rows = packed.view(np.uint8).reshape(len(packed), packed.dtype.itemsize)
    return [zlib.crc32(row) for row in rows[:, : -packed.dtype["crc"].itemsize]]
