"""What a replay keeps per transition, and how much memory that takes. Imports no torch."""

import numpy as np

FRAME = (84, 84)
PIXELS = FRAME[0] * FRAME[1]
COLUMNS: dict[str, np.dtype[np.generic]] = {
    "actions": np.dtype(np.uint8),
    "rewards": np.dtype(np.float32),
    "ended": np.dtype(np.bool_),
    "ages": np.dtype(np.int32),
}


def replay_bytes(members: int, capacity: int) -> int:
    """Bytes of a replay of `capacity` transitions for each of `members`.

    members * capacity * (7,056 for the frame + 10 for the columns) + one frame of zeros.
    """
    columns = sum(kind.itemsize for kind in COLUMNS.values())
    return members * capacity * (PIXELS + columns) + PIXELS
