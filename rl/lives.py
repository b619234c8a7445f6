"""Lives as episodes: for learning, an episode ends where a life is lost, and the game goes on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl.memory import STACK


class Lives:
    """The lives of G games, and how long the present one lasts.

    What an agent sees after losing a life is what the replay will show it: frames of the life
    before are zero, as they are before an episode's first frame.

    Args:
        lives: that each game begins with, [G].
    """

    def __init__(self, lives: NDArray[np.int32]) -> None:
        self._lives = lives.copy()
        self._ages = np.zeros(len(lives), dtype=np.int64)

    def follow(self, lives: NDArray[np.int32], ended: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whose life was lost or whose game ended in a step, [G].

        Args:
            lives: after it, [G]; of the next game where one ended.
            ended: whether the game ended, [G].
        """
        over: NDArray[np.bool_] = (lives < self._lives) | ended
        self._lives = lives.copy()
        self._ages = np.where(over, 0, self._ages + 1)
        return over

    def hide(self, observations: NDArray[Any]) -> None:
        """Blacken the frames of earlier lives in observations, [G, 4, 84, 84] uint8."""
        for k in np.flatnonzero(self._ages < STACK - 1).tolist():
            observations[k, : STACK - 1 - self._ages[k]] = 0
