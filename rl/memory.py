"""What a replay keeps per transition, and how much memory that takes. Imports no torch."""

import math
from typing import Any, NamedTuple

import numpy as np

STACK = 4
FRAME = (84, 84)
PIXELS = FRAME[0] * FRAME[1]
COMPRESSED_FRAME = 900
FRAME_ON_DISK = 400
"""Bytes of a frame in memory and on disk, above what any game takes in results/benchmarks."""
FRAME_INDEX = 10
CODEC = 5_000_000
"""Bytes of a store that do not grow with it: dictionaries, states of the library."""
CLOSING = 255
"""In the place of an action, of which there are fewer: a row that only closes an episode."""
GPU_SHARE = 0.8  # of the free GPU memory that frames may take before they go to the host
COLUMNS: dict[str, np.dtype[np.generic]] = {
    "actions": np.dtype(np.uint8),
    "rewards": np.dtype(np.float32),
    "ended": np.dtype(np.bool_),
    "ages": np.dtype(np.int32),
}
_COLUMNS = sum(kind.itemsize for kind in COLUMNS.values())


class ObservationSpec(NamedTuple):
    """What an environment shows: `stack` frames, newest last; a replay keeps each frame once."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stack: int

    @property
    def size(self) -> int:
        """Numbers in a frame."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of a frame."""
        return self.size * self.dtype.itemsize


ATARI = ObservationSpec(FRAME, np.dtype(np.uint8), STACK)
SMALLEST_IMAGE = 36
"""Pixels that the three convolutions need in either direction."""


def is_image(shows: ObservationSpec) -> bool:
    """Whether frames are bytes [H, W] or [C, H, W] that convolutions can take; else they are
    vectors."""
    planes = len(shows.shape) in (2, 3) and min(shows.shape[-2:]) >= SMALLEST_IMAGE
    return planes and shows.dtype == np.uint8


def raw_replay_bytes(members: int, capacity: int, shows: ObservationSpec = ATARI) -> int:
    """Bytes of a replay of `capacity` transitions for each of `members`, frames as they are.

    A row's frame, 7,056 of Atari, and 10 for its columns; two rows more are all zero and unused.
    """
    return (members * capacity + 2) * (shows.nbytes + _COLUMNS)


def replay_bytes(members: int, capacity: int, shows: ObservationSpec = ATARI) -> int:
    """About the bytes of a replay on a CPU, where Atari's frames are compressed (rl/frames.py).

    A frame counts with COMPRESSED_FRAME. What a game really takes depends on what it shows.
    """
    if shows != ATARI:
        return raw_replay_bytes(members, capacity, shows)
    return members * (capacity * (COMPRESSED_FRAME + FRAME_INDEX + _COLUMNS) + CODEC)


def replay_disk_bytes(rows: int, shows: ObservationSpec = ATARI) -> int:
    """About the bytes of the files of a member's replay (rl/replay_file.py)."""
    return rows * (FRAME_ON_DISK if shows == ATARI else shows.nbytes + _COLUMNS)


def batch_bytes(members: int, batch_size: int, n_step: int, shows: ObservationSpec = ATARI) -> int:
    """Bytes of the buffer that a batch is gathered into: stack + n frames per transition."""
    return members * batch_size * (shows.stack + n_step) * shows.nbytes
