"""Atari games as K synchronous environments: one tick is one agent step for each of them.

The emulation and its preprocessing are `ale_py.AtariVectorEnv`'s, in C++ threads; this file fixes
its settings to the recipe and guards what would hang or mix up seeds.
"""

import contextlib
import difflib
import re
from collections.abc import Sequence
from fractions import Fraction

import ale_py  # importing it registers the games with gymnasium
import gymnasium
import numpy as np
from ale_py.roms import get_rom_path
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from rl.config import GYMNASIUM, Recipe
from rl.environment import Picture, Step
from rl.memory import ATARI, FRAME
from workload.errors import ConfigError

EMULATOR_FRAMES = 60  # per second of game time
SEED_LIMIT = 2**31
ROM_ADVICE = "reinstall with `pip install ale-py`"


class AtariEnvironments:
    """K environments of one game, numbered like the members of a population.

    An observation is [4, 84, 84] uint8, newest frame last, zero before the episode's first frame;
    each frame is the pixelwise maximum of the last two emulator frames, grey, shrunk by area.
    Actions are indices into the game's action set. By default there are no no-ops and no FIRE at
    the start of an episode. Losing a life never ends one. This is, bit for bit, gymnasium's
    `AtariPreprocessing(noop_max=0)` under `FrameStackObservation(4, padding_type="zero")`.

    What an environment shows is a function of its seed and its actions alone, whatever its slot
    and its neighbours: later episodes continue the random stream that `reset` began.

    Args:
        recipe: reads `game`, `sticky_actions`, `frame_skip`, `max_episode_steps`, `action_set`,
            `no_ops` and `fire_reset`.
        members: K, the number of environments.
        colour: pictures for people instead: [4, 210, 160, 3] uint8, RGB, all else alike.

    Attributes:
        shows: frames as above, four of them.
        actions: size of the action set.
        lives: that each game has left, [K] int; of the next one where an episode has ended.

    Raises:
        ConfigError: the game is unknown.
    """

    shows = ATARI
    repeats_itself = True

    def __init__(self, recipe: Recipe, members: int, *, colour: bool = False) -> None:
        self.members = members
        self._vector = ale_py.AtariVectorEnv(
            rom_id(recipe.game),
            members,
            max_num_frames_per_episode=recipe.max_episode_steps * recipe.frame_skip,
            repeat_action_probability=recipe.sticky_actions,
            frameskip=recipe.frame_skip,
            autoreset_mode=AutoresetMode.SAME_STEP,
            full_action_space=recipe.action_set == "full",
            noop_max=recipe.no_ops,
            use_fire_reset=recipe.fire_reset,
            reward_clipping=False,
            grayscale=not colour,
            img_height=210 if colour else FRAME[0],
            img_width=160 if colour else FRAME[1],
        )
        self.actions = len(self._vector.ale.get_action_set())
        self.lives = np.zeros(members, dtype=np.int32)

    def reset(self, seeds: Sequence[int]) -> NDArray[np.uint8]:
        """Starts every environment anew from its own seed; reloads the ROM, 80 ms each.

        Args:
            seeds: K numbers from 0 to 2^31 - 1.

        Returns:
            The first observations, [K, 4, 84, 84] uint8.
        """
        # An explicit array: from an integer ale-py counts up, so that nearby seeds share streams,
        # and a negative number would silently continue the old stream.
        if len(seeds) != self.members or not all(0 <= seed < SEED_LIMIT for seed in seeds):
            raise ValueError(f"seeds: {seeds} are not {self.members} numbers from 0 to 2^31 - 1")
        observation: NDArray[np.uint8]
        observation, info = self._vector.reset(seed=np.array(seeds))
        self.lives = info["lives"]
        return observation

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Takes one agent step, `frame_skip` emulator frames, in every environment.

        Args:
            actions: [K] int64, each from 0 to `self.actions` - 1.
        """
        self.send(actions)
        return self.receive()

    def send(self, actions: NDArray[np.int64]) -> None:
        """Begins a `step`, which the emulators' threads go on with by themselves."""
        # ale-py would wait for ever for the answer to an action that does not exist.
        shape, actions_exist = actions.shape, actions.min() >= 0 and actions.max() < self.actions
        if shape != (self.members,) or not actions_exist:
            raise ValueError(
                f"actions: {actions} are not {self.members} numbers from 0 to {self.actions - 1}"
            )
        self._vector.send(actions)

    def receive(self) -> Step:
        """Waits for the end of the step that `send` began."""
        observation, reward, terminated, truncated, info = self._vector.recv()
        self.lives = info["lives"]
        return Step(
            observation,
            reward.astype(np.float32),
            terminated | truncated,
            truncated & ~terminated,
            info["final_obs"][:, -1] if "final_obs" in info else observation[:, -1],
        )

    def close(self) -> None:
        """Ends the emulator threads and frees the emulators."""
        del self._vector


class AtariCamera:
    """The game in colour and full size: pictures are [210, 160, 3]."""

    def __init__(self, recipe: Recipe) -> None:
        self._environments = AtariEnvironments(recipe, 1, colour=True)
        self.per_second = Fraction(EMULATOR_FRAMES, recipe.frame_skip)

    def reset(self, seed: int) -> Picture:
        """Start anew; returns the first picture."""
        picture: Picture = self._environments.reset([seed])[0, -1].copy()
        return picture

    def step(self, action: int) -> Picture:
        """Take a step; returns what is seen then."""
        picture: Picture = self._environments.step(np.array([action])).observation[0, -1].copy()
        return picture

    def close(self) -> None:
        """End the emulator."""
        self._environments.close()


def game_names() -> list[str]:
    """All games that can be trained on: the one-player games that ale-py ships, in CamelCase."""
    return sorted(_roms())


def rom_id(game: str) -> str:
    """ale-py's name of a game's ROM, e.g. `space_invaders` for `SpaceInvaders`.

    Raises:
        ConfigError: there is no such game; the message names the closest ones.
    """
    roms = _roms()
    if game not in roms:
        lower_case = {name.lower(): name for name in roms}
        plain = _GYMNASIUMS.sub("", game)
        wanted = plain.lower().replace("_", "")
        close = (
            [wanted]
            if wanted in lower_case
            else difflib.get_close_matches(wanted, lower_case, cutoff=0.5)
        )
        suggestion = f"did you mean {' or '.join(lower_case[name] for name in close)}? "
        if game in gymnasium.registry and wanted not in lower_case:
            close, suggestion = [game], f"gymnasium's own is {GYMNASIUM}{game}; "
        elif plain != game:
            suggestion += "the rest of that name is --frame-skip and --sticky-actions here; "
        raise ConfigError(
            f"game: {game!r} is none of the {len(roms)} one-player games that ale-py ships; "
            f"{suggestion if close else ''}`wdbench doctor` lists all"
        )
    return roms[game]


def has_rom(game: str) -> bool:
    """Whether the ROM's file is there and has the checksum that ale-py expects."""
    try:
        with contextlib.redirect_stdout(None):  # it names the folder when that is not the usual
            return get_rom_path(rom_id(game)) is not None
    except OSError:
        return False


_GYMNASIUMS = re.compile(r"^ALE/|(-ram)?(NoFrameskip|Deterministic)?(-v\d+)?$")
"""What gymnasium's name of an environment has around that of the game."""


def _roms() -> dict[str, str]:
    # The ROM folder would also name the two-player games, which end the process when loaded.
    return {
        spec.name: spec.kwargs["game"]
        for spec in gymnasium.registry.values()
        if spec.namespace == "ALE"
    }
