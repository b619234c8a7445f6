"""Sampling from a replay of a million raw frames against a memcpy of the same bytes; its memory.

    python -m tests.benchmarks.replay

The memcpy copies a run of neighbouring frames, as many bytes as the batch has, out of the same
replay into a kept buffer. It begins at a random place, as the batch's frames do, so that neither
side finds its bytes in a cache. Takes 7.1 GB of memory.
"""

import itertools

import numpy as np
import psutil
import torch

from rl.memory import FRAME, PIXELS, raw_replay_bytes
from rl.replay import Replay, Rows
from tests.benchmarks.timing import Comparison, compare, hardware, table

CAPACITY = 1_000_000
CHUNK = 10_000  # rows filled at a time, one episode
N_STEP = 1
BARS = {32: 1.6, 256: 1.4}


def fill(replay: Replay) -> None:
    """A million transitions, in episodes of 10,000 steps."""
    random = np.random.default_rng(0)
    rows = Rows(
        frames=random.integers(0, 256, (CHUNK, *FRAME), dtype=np.uint8),
        actions=random.integers(0, 18, CHUNK),
        rewards=random.integers(-1, 2, CHUNK).astype(np.float32),
        ended=np.arange(CHUNK) == CHUNK - 1,
        ages=np.arange(CHUNK, dtype=np.int32),
    )
    for start in range(0, CAPACITY, CHUNK):
        replay.restore(0, start, rows)


def sampling(replay: Replay, batch_size: int) -> Comparison:
    random = np.random.default_rng(1)
    uniforms = itertools.cycle(torch.from_numpy(random.random((1_000, 1, batch_size))))
    length = batch_size * (4 + N_STEP)
    starts = itertools.cycle(random.integers(CAPACITY - length, size=1_000).tolist())
    frames, kept = replay._frames._rows.numpy(), np.empty((length, PIXELS), np.uint8)

    def sample() -> None:
        replay.sample(next(uniforms))

    def memcpy() -> None:
        start = next(starts)
        np.copyto(kept, frames[start : start + length])

    name = f"sample {batch_size} / memcpy"
    return compare(name, sample, memcpy, at_most=BARS[batch_size])


def main() -> None:
    comparisons = []
    process = psutil.Process()
    for batch_size in BARS:
        before = process.memory_info().rss
        replay = Replay(1, CAPACITY, n_step=N_STEP, gamma=0.99, batch_size=batch_size, device="cpu")
        fill(replay)
        taken = process.memory_info().rss - before
        comparisons.append(sampling(replay, batch_size))
        del replay
    print(hardware())
    print(table(comparisons))
    print(
        f"memory of {CAPACITY:,} transitions: {raw_replay_bytes(1, CAPACITY) / 1e9:.2f} GB stated, "
        f"{taken / 1e9:.2f} GB taken by the process; bar <= 7.2"
    )


if __name__ == "__main__":
    main()
