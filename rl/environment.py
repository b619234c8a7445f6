"""What agents live in: K environments that take a step together.

An environment says what it shows, `shows`, and how many actions it takes, `actions`. Replay,
network and evaluation take their sizes from these two, and know no environment by name. There are
two kinds: Atari games (rl/atari.py) and those of gymnasium (rl/gymnasium_environments.py).
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rl.config import Recipe
from rl.memory import ATARI, ObservationSpec

Picture = NDArray[np.uint8]
"""[height, width, 3], RGB."""


class Step(NamedTuple):
    """What K environments answer to K actions.

    Where an episode ended, `observation` is already the first of the next one.
    """

    observation: NDArray[Any]  # [K, stack, *shape] as `shows` says, newest frame last
    reward: NDArray[np.float32]  # [K], as the environment gives it, not clipped
    ended: NDArray[np.bool_]  # [K], the episode was over or cut off
    cut_off: NDArray[np.bool_]  # [K], it was cut off, and not over
    last_frames: NDArray[Any]  # [K, *shape], what was seen last, where an episode has ended


class Environments(Protocol):
    """K environments, numbered like the members of a population.

    What one shows must be a function of its seed and its actions alone, whatever its slot and its
    neighbours: a resumed run takes the actions of its phase over again.

    Attributes:
        shows: what an agent sees.
        actions: how many there are.
        lives: that each game has left, [K] int; of the next one where an episode has ended. 0
            where there are none.
        repeats_itself: whether that function is known to be one. Where it is not, a resumed run
            looks whether it sees again what it saw.
    """

    shows: ObservationSpec
    actions: int
    lives: NDArray[np.int32]
    repeats_itself: bool

    def reset(self, seeds: Sequence[int]) -> NDArray[Any]:
        """Start every environment anew from its own seed, from 0 to 2^31 - 1; returns the first
        observations, [K, stack, *shape]."""

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Take one step in every environment, actions [K] from 0 to `actions` - 1."""

    def send(self, actions: NDArray[np.int64]) -> None:
        """Begin a `step`."""

    def receive(self) -> Step:
        """Wait for the end of the step that `send` began."""

    def close(self) -> None:
        """Free what the environments hold."""


class Camera(Protocol):
    """An environment as people see it: the same seed and actions show the same episode."""

    per_second: Fraction
    """Pictures of a second, as long as one step takes."""

    def reset(self, seed: int) -> Picture:
        """Start anew; returns the first picture."""

    def step(self, action: int) -> Picture:
        """Take a step; returns what is seen then."""

    def close(self) -> None:
        """Free what the environment holds."""


def make_environments(recipe: Recipe, members: int) -> Environments:
    """K environments of the recipe's game.

    Raises:
        ConfigError: there is no such game, or none that DQN can play.
    """
    if recipe.gymnasium_id:
        from rl.gymnasium_environments import GymnasiumEnvironments

        return GymnasiumEnvironments(recipe, members)
    from rl.atari import AtariEnvironments

    return AtariEnvironments(recipe, members)


def make_camera(recipe: Recipe) -> Camera:
    """A camera for the recipe's game.

    Raises:
        UserError: it cannot be filmed here.
    """
    if recipe.gymnasium_id:
        from rl.gymnasium_environments import GymnasiumCamera

        return GymnasiumCamera(recipe)
    from rl.atari import AtariCamera

    return AtariCamera(recipe)


def observation_spec(recipe: Recipe) -> ObservationSpec:
    """What the recipe's game shows, without making one where that is known.

    Raises:
        ConfigError: as `make_environments`.
    """
    if recipe.gymnasium_id:
        from rl.gymnasium_environments import spec_of

        return spec_of(recipe.gymnasium_id).shows
    return ATARI
