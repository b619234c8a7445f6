"""What a replay keeps per transition, and how much memory that takes. Imports no torch."""

import numpy as np

STACK = 4
FRAME = (84, 84)
PIXELS = FRAME[0] * FRAME[1]
GPU_SHARE = 0.8  # of the free GPU memory that frames may take before they go to the host
COLUMNS: dict[str, np.dtype[np.generic]] = {
    "actions": np.dtype(np.uint8),
    "rewards": np.dtype(np.float32),
    "ended": np.dtype(np.bool_),
    "ages": np.dtype(np.int32),
}


def replay_bytes(members: int, capacity: int) -> int:
    """Bytes of a replay of `capacity` transitions for each of `members`.

    7,056 for a row's frame and 10 for its columns; two rows more are all zero and unused.
    """
    columns = sum(kind.itemsize for kind in COLUMNS.values())
    return (members * capacity + 2) * (PIXELS + columns)


def batch_bytes(members: int, batch_size: int, n_step: int) -> int:
    """Bytes of the buffer that a batch is gathered into: STACK + n frames per transition."""
    return members * batch_size * (STACK + n_step) * PIXELS
