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
from pathlib import Path

import numpy as np

from rl.memory import COLUMNS, FRAME
from rl.replay import Replay, Rows
from rl.segment import Segment

SEGMENT = 10_000
COMPRESSED, UNCOMPRESSED = ".blocks", ".rows"
_ROW = np.dtype([("frames", np.uint8, FRAME), *COLUMNS.items(), ("crc", np.uint32)])


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
        for start, stop in _cut(max(self._written, end - self._capacity), end):
            rows = replay.rows(k, start, stop)
            packed = np.empty(stop - start, dtype=_ROW)
            for name in rows._fields:
                packed[name] = getattr(rows, name)
            packed["crc"] = _checksums(packed)
            Segment(self._segment(start), _ROW).append(start, packed)
            self._remember(packed)
        self._written = end

    def read(
        self,
        replay: Replay,
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
        for start, after in _cut(max(0, end - self._capacity), end):
            if stop():
                return
            packed = self._stored(start, after)
            replay.restore(k, start, Rows(*(packed[name] for name in Rows._fields)))
            self._remember(packed)
            progress(len(packed))
        self._written = end

    def forget_before(self, end: int) -> None:
        """Delete the segments that no replay filled up to row `end` or later would read."""
        needed = max(0, end - self._capacity) // SEGMENT
        for suffix in (COMPRESSED, UNCOMPRESSED):
            for path in self._folder.glob(f"*{suffix}"):
                if int(path.stem) // SEGMENT < needed:
                    path.unlink()

    def delete(self) -> None:
        """Delete everything, also when another process is at it too."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _stored(self, start: int, stop: int) -> np.ndarray:
        """Rows number `start` to `stop` - 1, all of one segment."""
        packed = np.empty(stop - start, dtype=_ROW)
        missing = np.ones(stop - start, dtype=bool)
        segment = self._segment(start)
        Segment(segment, _ROW).fill(packed, start, missing)
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
    offset = start % SEGMENT * _ROW.itemsize
    if path.exists() and path.stat().st_size > offset:
        found = np.fromfile(path, dtype=_ROW, count=len(rows), offset=offset)
        wanted = missing[: len(found)]
        rows[: len(found)][wanted] = found[wanted]
        missing[: len(found)] = False


def _cut(start: int, stop: int) -> list[tuple[int, int]]:
    """Cut [start, stop) where segments begin."""
    cuts = [start, *range(start - start % SEGMENT + SEGMENT, stop, SEGMENT), stop]
    return [pair for pair in itertools.pairwise(cuts) if pair[0] < pair[1]]


def _checksums(packed: np.ndarray) -> list[int]:
    """The CRC-32 of each row, its own last four bytes left out."""
    rows = packed.view(np.uint8).reshape(len(packed), _ROW.itemsize)
    return [zlib.crc32(row) for row in rows[:, : -_ROW["crc"].itemsize]]
