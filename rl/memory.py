"""What a replay keeps per transition, and how much memory that takes. Imports no torch."""

import math
from typing import Any, NamedTuple

import numpy as np

STACK = 4
FRAME = (84, 84)
PIXELS = FRAME[0] * FRAME[1]
CLOSING = 255
"""In the place of an action, of which there are fewer: a row that only closes an episode."""
GPU_SHARE = 0.8  # of the free GPU memory that frames may take before they go to the host
COLUMNS: dict[str, np.dtype[np.generic]] = {
    "actions": np.dtype(np.uint8),
    "rewards": np.dtype(np.float32),
    "ended": np.dtype(np.bool_),
    "ages": np.dtype(np.int32),
}


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


def replay_bytes(members: int, capacity: int, shows: ObservationSpec = ATARI) -> int:
    """Bytes of a replay of `capacity` transitions for each of `members`.

    A row's frame, 7,056 of Atari, and 10 for its columns; two rows more are all zero and unused.
    """
    columns = sum(kind.itemsize for kind in COLUMNS.values())
    return (members * capacity + 2) * (shows.nbytes + columns)


def batch_bytes(members: int, batch_size: int, n_step: int, shows: ObservationSpec = ATARI) -> int:
    """Bytes of the buffer that a batch is gathered into: stack + n frames per transition."""
    return members * batch_size * (shows.stack + n_step) * shows.nbytes
