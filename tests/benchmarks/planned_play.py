"""Frames of play that is far better than random without an agent: planning on copies of a game.

Every four agent steps each action is tried on a copy of the emulator, for 16 agent steps that go
on at random, and the one that scores most without losing a life is taken.
"""

import time
from collections.abc import Sequence

import cv2
import numpy as np
from ale_py import ALEInterface, LoggerMode
from ale_py.roms import get_rom_path

from rl.environment import rom_id
from rl.memory import FRAME

HOLD, DEPTH, SKIP = 4, 16, 4
LIFE = 100.0


class PlannedPlay:
    """One game.

    Attributes:
        scores: of the episodes that have ended.
        score: of the one that goes on.
    """

    def __init__(self, game: str, seed: int) -> None:
        ALEInterface.setLoggerMode(LoggerMode.Error)
        self._ale, self._random = ALEInterface(), np.random.default_rng(seed)
        self._ale.setInt("random_seed", seed)
        self._ale.setFloat("repeat_action_probability", 0.0)  # so that a copy tells the truth
        self._ale.loadROM(get_rom_path(rom_id(game)))
        self._actions: Sequence[object] = self._ale.getMinimalActionSet()
        self.scores: list[int] = []
        self.score = 0

    def frames(self, count: int, seconds: float) -> np.ndarray:
        """At most `count` frames [N, 84, 84] uint8, in about so many seconds of CPU time."""
        self._ale.reset_game()
        seen: list[np.ndarray] = []
        end = time.process_time() + seconds
        while len(seen) < count and time.process_time() < end:
            action = self._best()
            for _ in range(HOLD):
                points, frame = self._step(action)
                self.score += points
                seen.append(frame)
                if self._ale.game_over():
                    self.scores.append(self.score)
                    self.score = 0
                    self._ale.reset_game()
                    break
        return np.stack(seen)

    def _best(self) -> object:
        state = self._ale.cloneState()
        values = [self._value(state, action) for action in self._actions]
        self._ale.restoreState(state)
        noise = 1e-3 * self._random.random(len(values))  # among equals any
        return self._actions[int(np.argmax(values + noise))]

    def _value(self, state: object, action: object) -> float:
        self._ale.restoreState(state)
        lives, total, weight = self._ale.lives(), 0.0, 1.0
        for depth in range(DEPTH):
            if depth and depth % HOLD == 0:
                action = self._actions[self._random.integers(len(self._actions))]
            points = sum(self._ale.act(action) for _ in range(SKIP))
            total += weight * np.sign(points) * np.sqrt(abs(points))
            weight *= 0.97
            if self._ale.game_over() or self._ale.lives() < lives:
                return total - weight * LIFE
        return total

    def _step(self, action: object) -> tuple[int, np.ndarray]:
        points = sum(self._ale.act(action) for _ in range(SKIP - 1))
        before = self._ale.getScreenGrayscale()
        points += self._ale.act(action)
        both = np.maximum(before, self._ale.getScreenGrayscale())
        return points, cv2.resize(both, FRAME, interpolation=cv2.INTER_AREA)
