"""What a replay keeps per transition, and how much memory that takes. Imports no torch."""

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
GPU_SHARE = 0.8  # of the free GPU memory that frames may take before they go to the host
COLUMNS: dict[str, np.dtype[np.generic]] = {
    "actions": np.dtype(np.uint8),
    "rewards": np.dtype(np.float32),
    "ended": np.dtype(np.bool_),
    "ages": np.dtype(np.int32),
}
_COLUMNS = sum(kind.itemsize for kind in COLUMNS.values())


def raw_replay_bytes(members: int, capacity: int) -> int:
    """Bytes of a replay of `capacity` transitions for each of `members`, frames as they are.

    7,056 for a row's frame and 10 for its columns; two rows more are all zero and unused.
    """
    return (members * capacity + 2) * (PIXELS + _COLUMNS)


def replay_bytes(members: int, capacity: int) -> int:
    """About the bytes of a replay whose frames are compressed, as on a CPU (rl/frames.py).

    A frame counts with COMPRESSED_FRAME. What a game really takes depends on what it shows.
    """
    return members * (capacity * (COMPRESSED_FRAME + FRAME_INDEX + _COLUMNS) + CODEC)


def replay_disk_bytes(rows: int) -> int:
    """About the bytes of the files of a member's replay (rl/replay_file.py)."""
    return rows * FRAME_ON_DISK


def batch_bytes(members: int, batch_size: int, n_step: int) -> int:
    """Bytes of the buffer that a batch is gathered into: STACK + n frames per transition."""
    return members * batch_size * (STACK + n_step) * PIXELS
