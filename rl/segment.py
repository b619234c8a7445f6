"""A file of numbered rows in blocks compressed by Zstandard (RFC 8878), which only ever grows.

A block is a header, _HEADER, and behind it the compressed rows. Where several blocks hold a row,
the last of them counts. The end of a file that a kill left half written is cut off by the next
`append`.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import zstandard

BLOCK = 100
"""Rows of a block, at most."""
LEVEL = 1
_MARK = b"rows"
_HEADER = struct.Struct("<4sQIII")  # the mark, first row, rows, bytes behind the header, CRC-32


class _Block(NamedTuple):
    """What a header says, and where in the file the bytes behind it lie."""

    first: int
    rows: int
    size: int
    crc: int
    offset: int


class Segment:
    """The rows of one file.

    Args:
        path: of the file; made by the first `append`.
        row: the dtype of a row.
    """

    def __init__(self, path: Path, row: np.dtype[np.void]) -> None:
        self._path, self._row = path, row

    def append(self, first: int, rows: np.ndarray) -> None:
        """Write rows number `first` and following behind what there is, and sync it to the disk."""
        compressor = zstandard.ZstdCompressor(level=LEVEL)
        with self._path.open("r+b" if self._path.exists() else "w+b") as file:
            file.truncate(_end(file))
            file.seek(0, os.SEEK_END)
            for at in range(0, len(rows), BLOCK):
                block = rows[at : at + BLOCK]
                payload = compressor.compress(block.tobytes())
                crc = _crc(first + at, len(block), payload)
                file.write(_HEADER.pack(_MARK, first + at, len(block), len(payload), crc))
                file.write(payload)
            file.flush()
            os.fsync(file.fileno())

    def fill(self, rows: np.ndarray, start: int, missing: np.ndarray) -> None:
        """Put rows number `start` and following into `rows`, as far as they are `missing` and here.

        Args:
            rows: [N] of the dtype of a row.
            start: the number of the first.
            missing: [N] bool; False afterwards where a row was found.

        Raises:
            ValueError: a block that is needed is not what was written.
        """
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for block in reversed(list(_blocks(file))):
                here = slice(max(block.first - start, 0), max(block.first + block.rows - start, 0))
                wanted = missing[here]
                if wanted.any():
                    skipped = max(start - block.first, 0)
                    found = self._read(file, block)[skipped : skipped + len(wanted)]
                    rows[here][wanted] = found[wanted]
                    missing[here] = False
            if missing.any() and _end(file) < os.fstat(file.fileno()).st_size:
                lost = start + int(missing.argmax())
                raise ValueError(f"{self._path.name} is damaged where row {lost:,} should be")

    def _read(self, file: BinaryIO, block: _Block) -> np.ndarray:
        file.seek(block.offset)
        payload = file.read(block.size)
        if _crc(block.first, block.rows, payload) != block.crc:
            raise ValueError(
                f"{self._path.name} is damaged in rows {block.first:,} to "
                f"{block.first + block.rows - 1:,}: they are not what was written"
            )
        size = block.rows * self._row.itemsize
        content = zstandard.ZstdDecompressor().decompress(payload, max_output_size=size)
        return np.frombuffer(content, dtype=self._row)


def _crc(first: int, rows: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(struct.pack("<QI", first, rows)))


def _blocks(file: BinaryIO) -> Iterator[_Block]:
    """The blocks of a file up to the first that is not whole."""
    size = os.fstat(file.fileno()).st_size
    offset = 0
    while offset + _HEADER.size <= size:
        file.seek(offset)
        mark, first, rows, length, crc = _HEADER.unpack(file.read(_HEADER.size))
        offset += _HEADER.size
        if mark != _MARK or offset + length > size:
            return
        yield _Block(first, rows, length, crc, offset)
        offset += length


def _end(file: BinaryIO) -> int:
    """Where the last whole block ends."""
    return max((block.offset + block.size for block in _blocks(file)), default=0)
