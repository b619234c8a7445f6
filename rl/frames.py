"""Where a replay keeps its frames: as they are, or each compressed by itself.

Both stores are numbered slots with the same three methods. Raw frames are rows of one tensor, on a
GPU where they fit. In host memory a frame is compressed by Zstandard (RFC 8878), level 1, with a
dictionary trained on frames that were stored before: frames of a game differ little, so most of a
frame is in the dictionary. What comes out is what was put in, bit for bit.
"""

import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import zstandard
from torch import Tensor

from rl.memory import ATARI, GPU_SHARE, PIXELS, ObservationSpec
from workload import resources

BYTES = np.dtype(np.uint8)
LEVEL = 1
SAMPLES = 2_000
"""Frames that a dictionary is trained on: the first ones, later as many among the last."""
LOOK, GROWN = 20_000, 1.5
DICTIONARY = 65_536
"""Bytes of a dictionary."""
PIECE = 4_000
"""Bytes of a piece of a frame that the dictionary takes over."""
PAGE = 256
"""Slots whose frames lie in one piece of memory."""


def compresses(
    device: torch.device, members: int, capacity: int, shows: ObservationSpec = ATARI
) -> bool:
    """Whether frames are compressed: Atari's, on a CPU; beside a GPU where they fit neither
    memory."""
    if shows != ATARI:
        return False
    if device.type == "cpu":
        return True
    frames = members * capacity * PIXELS
    on_gpu = GPU_SHARE * torch.cuda.mem_get_info(device)[0]
    return bool(frames > max(on_gpu, resources.free_memory()))


class RawFrames:
    """Frames as rows of one tensor. Nothing here leaves a decision to the host.

    Args:
        slots: how many.
        device: where they are wanted; beyond 80 % of its free memory they go to the host.
        size: numbers of a frame.
        kind: their dtype.
    """

    def __init__(
        self,
        slots: int,
        device: torch.device,
        size: int = PIXELS,
        kind: np.dtype[Any] = BYTES,
    ) -> None:
        if device.type == "cuda":
            free = torch.cuda.mem_get_info(device)[0]
            fits = slots * size * kind.itemsize <= GPU_SHARE * free
            device = device if fits else torch.device("cpu")
        self.device = device
        self._rows = empty((slots, size), kind, device)

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self._rows.nbytes

    def put(self, slots: Tensor, frames: Tensor) -> None:
        """Write frames [N, size] to slots [N] int64, all on the device."""
        self._rows.index_copy_(0, slots, frames)

    def gather(self, slots: Tensor, out: Tensor) -> None:
        """Read slots [N] int64, which must have been written, into `out`, [N, size]."""
        torch.index_select(self._rows, 0, slots, out=out)


class CompressedFrames:
    """Frames compressed one by one, in host memory; `put` and `gather` as of `RawFrames`.

    The frames of `PAGE` neighbouring slots lie one behind the other in a page. A frame is written
    behind the last one; the page is packed again when its last slot has been written, and when most
    of it is what has been overwritten. So a million frames are four thousand pieces of memory.

    Frames are looked at after the first `SAMPLES` and after every `LOOK` that follow. Where they
    have become `GROWN` times as large as they were, as on a level that looks otherwise, those that
    follow get a dictionary of their own.

    Args:
        slots: how many.
        size: bytes of a frame.
    """

    device = torch.device("cpu")

    def __init__(self, slots: int, size: int = PIXELS) -> None:
        self._size = size
        self._starts = np.zeros(slots, dtype=np.uint32)  # within the page
        self._lengths = np.zeros(slots, dtype=np.uint32)  # 0 where nothing was written
        self._codecs = np.zeros(slots, dtype=np.uint16)  # the number of the dictionary
        self._pages = [bytearray() for _ in range(-(-slots // PAGE))]
        self._live = [0] * len(self._pages)  # bytes that are not overwritten
        self._codec = 0
        self._compressor = zstandard.ZstdCompressor(level=LEVEL)
        self._decompress = {0: zstandard.ZstdDecompressor().decompress}
        self._uses = {0: 0}  # frames by the number of their dictionary
        self._begin_look(SAMPLES)
        self._usual = 0.0  # bytes of a frame

    @property
    def nbytes(self) -> int:
        """Bytes of memory: pages, their index, dictionaries."""
        index = self._starts.nbytes + self._lengths.nbytes + self._codecs.nbytes
        pages = sum(map(sys.getsizeof, self._pages))
        return index + pages + DICTIONARY * sum(number > 0 for number in self._uses)

    def put(self, slots: Tensor, frames: Tensor) -> None:
        for slot, frame in zip(slots.tolist(), self._each(frames.contiguous()), strict=True):
            compressed = self._compressor.compress(frame)
            self._store(slot, compressed)
            self._bytes += len(compressed)
            if self._left % self._stride == 0:
                self._samples.append(slot)
            self._left -= 1
            if not self._left:
                self._look()

    def gather(self, slots: Tensor, out: Tensor) -> None:
        numbers, pages, decompress = slots.numpy(), self._pages, self._decompress
        starts = self._starts[numbers]
        stops = starts + self._lengths[numbers]
        columns = (self._codecs[numbers], numbers // PAGE, starts, stops)
        places = zip(*(column.tolist() for column in columns), strict=True)
        for frame, (codec, page, start, stop) in zip(self._each(out), places, strict=True):
            frame[:] = decompress[codec](pages[page][start:stop])

    def _store(self, slot: int, compressed: bytes) -> None:
        number, before = slot // PAGE, int(self._lengths[slot])
        if before:
            self._release(int(self._codecs[slot]))
        page = self._pages[number]
        self._live[number] += len(compressed) - before
        self._starts[slot], self._lengths[slot] = len(page), len(compressed)
        self._codecs[slot] = self._codec
        self._uses[self._codec] += 1
        page += compressed
        if slot % PAGE == PAGE - 1 or len(page) > 2 * self._live[number]:
            self._pack(number)

    def _pack(self, number: int) -> None:
        slots = slice(number * PAGE, (number + 1) * PAGE)
        lengths, page = self._lengths[slots], self._pages[number]
        pieces = zip(self._starts[slots].tolist(), lengths.tolist(), strict=True)
        self._pages[number] = bytearray(b"".join(page[at : at + size] for at, size in pieces))
        self._starts[slots] = np.cumsum(lengths) - lengths

    def _begin_look(self, frames: int) -> None:
        """Begin to count bytes and to gather samples, over so many frames."""
        self._looked, self._left, self._bytes = frames, frames, 0
        self._stride = max(frames // SAMPLES, 1)
        self._samples: list[int] = []  # slots

    def _look(self) -> None:
        mean = self._bytes / self._looked
        if mean > GROWN * self._usual:
            self._train()
            self._usual = math.inf
        else:
            self._usual = min(self._usual, mean)
        self._begin_look(LOOK)

    def _train(self) -> None:
        """Give the frames that follow a dictionary of the samples."""
        frames = empty((len(self._samples), self._size), BYTES, self.device)
        self.gather(torch.tensor(self._samples), frames)
        try:
            trained = zstandard.train_dictionary(
                DICTIONARY, list(map(bytes, self._each(frames))), k=PIECE, d=8
            )
        except zstandard.ZstdError:
            return  # frames that have nothing in common
        before, self._codec = self._codec, self._codec + 1
        self._uses[self._codec] = 0
        self._decompress[self._codec] = zstandard.ZstdDecompressor(
            dict_data=zstandard.ZstdCompressionDict(trained.as_bytes())
        ).decompress
        trained.precompute_compress(level=LEVEL)
        self._compressor = zstandard.ZstdCompressor(
            level=LEVEL, dict_data=trained, write_dict_id=False
        )
        if before == 0:  # without a dictionary a frame takes five times as long to read
            for slot, frame in zip(self._samples, self._each(frames), strict=True):
                self._store(slot, self._compressor.compress(frame))
        elif not self._uses[before]:
            self._forget(before)

    def _release(self, codec: int) -> None:
        self._uses[codec] -= 1
        if not self._uses[codec] and codec != self._codec:
            self._forget(codec)

    def _forget(self, codec: int) -> None:
        del self._uses[codec], self._decompress[codec]

    def _each(self, frames: Tensor) -> Iterator[memoryview]:
        """The bytes of each of N contiguous frames on the host."""
        data = frames.numpy().reshape(-1).data
        return (data[at : at + self._size] for at in range(0, len(data), self._size))


def empty(shape: tuple[int, ...], kind: np.dtype[Any], device: torch.device) -> Tensor:
    """An uninitialised array."""
    # numpy's large arrays lie in huge pages and torch's do not: 5 to 10 % of a sample.
    there = torch.from_numpy(np.empty(shape if device.type == "cpu" else 0, kind))
    return there if device.type == "cpu" else torch.empty(shape, dtype=there.dtype, device=device)
