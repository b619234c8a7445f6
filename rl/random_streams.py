"""Every random number of a member, as a function of its seed and of where it is used.

Nothing here keeps a state that would have to be saved: row i of a table is the same numbers
whenever, wherever and in whatever population it is asked for.
"""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np

_BLOCK = 1024


class Purpose(IntEnum):
    """What the numbers are for: purposes never share a stream."""

    INITIAL_WEIGHTS = 0
    EXPLORATION = 1
    REPLAY = 2
    ENVIRONMENT = 3
    PLAY = 4
    """Episodes of a trained agent that are no part of its run."""


def generator(seed: int, purpose: Purpose, *key: int) -> np.random.Generator:
    """A Philox generator for one member, one purpose and one key, e.g. (iteration, phase)."""
    sequence = np.random.SeedSequence(seed, spawn_key=(int(purpose), *key))
    return np.random.Generator(np.random.Philox(sequence))


def environment_seed(seed: int, iteration: int, phase: int) -> int:
    """The emulator's seed for one phase of one member: 31 bits, as ale-py takes."""
    return int(generator(seed, Purpose.ENVIRONMENT, iteration, phase).integers(2**31))


class Uniforms:
    """An endless table of uniforms in [0, 1) per member, drawn a block of rows at a time.

    Args:
        seeds: the members' seeds, [K].
        purpose: what the numbers are for.
        key: further coordinates of the table, e.g. (iteration, phase).
        width: numbers per row.
    """

    def __init__(
        self, seeds: Sequence[int], purpose: Purpose, key: tuple[int, ...], width: int
    ) -> None:
        self._seeds, self._purpose, self._key, self._width = (
            seeds,
            purpose,
            key,
            width,
        )
        self._block = -1
        self._rows = np.empty((0, len(seeds), width))

    def row(self, index: int) -> np.ndarray:
        """Row `index` of every member's table, [K, width] float64."""
        block, offset = divmod(index, _BLOCK)
        if block != self._block:
            drawn = [
                generator(seed, self._purpose, *self._key, block).random((_BLOCK, self._width))
                for seed in self._seeds
            ]
            self._rows = np.stack(drawn, axis=1)
            self._block = block
        row: np.ndarray = self._rows[offset]
        return row
