"""Environments of gymnasium with images or vectors to see and a finite number of actions.

    gymnasium:CartPole-v1          one that is registered
    gymnasium:my_package:Maze-v0   one that `import my_package` registers

Each is its own object, as `gymnasium.make` makes it: gymnasium's vector environments may share one
stream of random numbers, and then members would not be independent.
"""

import functools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rl.config import GYMNASIUM, Recipe
from rl.environment import Picture, Step
from rl.memory import CLOSING, ObservationSpec, is_image
from workload.errors import ConfigError, UserError

DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
"""Of observations that numpy and torch both have."""


class Spec(NamedTuple):
    """What an environment declares."""

    shows: ObservationSpec
    channels_last: bool  # an image as [H, W, C], which the network wants as [C, H, W]
    actions: int
    first_action: int


class GymnasiumEnvironments:
    """K environments of one id of gymnasium's registry.

    An observation is kept in its own dtype, alone: whoever needs several frames in one wraps the
    environment with gymnasium's FrameStackObservation. Bytes [H, W, C] or [H, W], large enough for
    the convolutions, are an image; all else is a vector. An episode is also cut off at the recipe's
    `max_episode_steps`.

    Args:
        recipe: reads `game` and `max_episode_steps`.
        members: K.
        render_mode: as gymnasium.make takes it.

    Attributes:
        shows, actions, lives, repeats_itself: see `Environments`.

    Raises:
        ConfigError: there is no such id, or DQN cannot play it.
    """

    repeats_itself = False

    def __init__(self, recipe: Recipe, members: int, render_mode: str | None = None) -> None:
        assert recipe.gymnasium_id
        self._spec = spec_of(recipe.gymnasium_id)
        self.shows, self.actions = self._spec.shows, self._spec.actions
        self.lives = np.zeros(members, dtype=np.int32)
        self.environments = [
            gymnasium.wrappers.TimeLimit(
                _make(recipe.gymnasium_id, render_mode), recipe.max_episode_steps
            )
            for _ in range(members)
        ]
        self._actions = np.zeros(members, dtype=np.int64)

    def reset(self, seeds: Sequence[int]) -> NDArray[Any]:
        """Start every environment anew from its own seed, from 0 to 2^31 - 1; returns the first
        observations, [K, 1, *shape]."""
        seen = self._room()
        for k, (environment, seed) in enumerate(zip(self.environments, seeds, strict=True)):
            seen[k] = self._frame(environment.reset(seed=int(seed))[0])
        return seen[:, None]

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Take one step in every environment, actions [K] from 0 to `actions` - 1."""
        self.send(actions)
        return self.receive()

    def send(self, actions: NDArray[np.int64]) -> None:
        """Note the actions of a step; `receive` takes it."""
        self._actions = actions + self._spec.first_action

    def receive(self) -> Step:
        """Take the step of `send`."""
        members = len(self.environments)
        reward = np.zeros(members, np.float32)
        ended, cut_off = np.zeros(members, np.bool_), np.zeros(members, np.bool_)
        seen, last = self._room(), self._room()
        for k, environment in enumerate(self.environments):
            shown, reward[k], over, late, _ = environment.step(self._actions[k])
            seen[k] = last[k] = self._frame(shown)
            if over or late:
                ended[k], cut_off[k] = True, not over
                seen[k] = self._frame(environment.reset()[0])
        return Step(seen[:, None], reward, ended, cut_off, last)

    def close(self) -> None:
        """Close the environments."""
        for environment in self.environments:
            environment.close()

    def _room(self) -> NDArray[Any]:
        return np.empty((len(self.environments), *self.shows.shape), self.shows.dtype)

    def _frame(self, observation: Any) -> NDArray[Any]:
        frame = np.asarray(observation)
        return np.moveaxis(frame, -1, 0) if self._spec.channels_last else frame


class GymnasiumCamera:
    """What `render` draws of one environment."""

    def __init__(self, recipe: Recipe) -> None:
        self._game = recipe.game
        self._environments = GymnasiumEnvironments(recipe, 1, "rgb_array")
        fps = self._environments.environments[0].metadata.get("render_fps") or 30
        self.per_second = Fraction(fps)

    def reset(self, seed: int) -> Picture:
        """Start anew; returns the first picture."""
        self._environments.reset([seed])
        return self._picture()

    def step(self, action: int) -> Picture:
        """Take a step; returns what is seen then."""
        self._environments.step(np.array([action]))
        return self._picture()

    def close(self) -> None:
        """Close the environment."""
        self._environments.close()

    def _picture(self) -> Picture:
        try:
            picture = self._environments.environments[0].render()
        except gymnasium.error.DependencyNotInstalled as error:
            raise UserError(f"watch: {error}") from error
        if not isinstance(picture, np.ndarray) or picture.shape[2:] != (3,):
            raise UserError(
                f"watch: {self._game} draws no pictures: render() gives no [height, width, 3]"
            )
        return picture.astype(np.uint8)


@functools.cache
def spec_of(name: str) -> Spec:
    """What an environment of gymnasium's registry declares.

    Raises:
        ConfigError: there is no such id, it cannot be made here, or DQN cannot play it.
    """
    environment = _make(name)
    try:
        return _spec(name, environment)
    finally:
        environment.close()


def _spec(name: str, environment: gymnasium.Env[Any, Any]) -> Spec:
    game = f"game: {GYMNASIUM}{name}"
    space, actions = environment.observation_space, environment.action_space
    if not isinstance(actions, spaces.Discrete):
        continuous = "continuous actions" if isinstance(actions, spaces.Box) else "actions"
        raise ConfigError(
            f"{game} has {continuous}, {actions}; DQN chooses one of a finite number, Discrete(n)"
        )
    if actions.n >= CLOSING:
        raise ConfigError(f"{game} has {actions.n} actions; {CLOSING - 1} are the most")
    if not isinstance(space, spaces.Box) or not space.shape:
        raise ConfigError(
            f"{game} shows {space}, which is neither an image nor a vector, Box(...); gymnasium's "
            "FlattenObservation makes vectors of most others"
        )
    if str(space.dtype) not in DTYPES:
        raise ConfigError(f"{game} shows {space.dtype}; {', '.join(DTYPES)} can be kept")
    shape, channels_last = tuple(space.shape), False
    if len(shape) == 3:
        moved = (shape[2], *shape[:2])
        channels_last = is_image(ObservationSpec(moved, space.dtype, 1))
        shape = moved if channels_last else shape
    shows = ObservationSpec(shape, np.dtype(space.dtype), 1)
    return Spec(shows, channels_last, int(actions.n), int(actions.start))


def _make(name: str, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
    try:
        return gymnasium.make(name, render_mode=render_mode, disable_env_checker=True)
    except Exception as error:  # whatever an environment's own code raises
        problem = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"game: {GYMNASIUM}{name} cannot be made here: {problem}") from error
