"""The environments against gymnasium's wrappers around a single emulator."""

from collections.abc import Iterator

import ale_py
import gymnasium
import numpy as np
import pytest
from ale_py import roms
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation

from rl.atari import AtariEnvironments, game_names, rom_id
from rl.config import PAPER_GAMES, Recipe
from workload.errors import ConfigError


class Reference:
    """One environment of gymnasium's own wrappers, seeded as the emulator is."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        emulator = gymnasium.make(
            f"ALE/{recipe.game}-v5",
            frameskip=1,
            repeat_action_probability=recipe.sticky_actions,
            max_num_frames_per_episode=recipe.max_episode_steps * recipe.frame_skip,
        )
        atari = emulator.unwrapped
        assert isinstance(atari, ale_py.AtariEnv)
        # gymnasium's reset(seed) would hash the seed first
        atari.ale.setInt("random_seed", seed)
        atari.load_game()
        frames = AtariPreprocessing(emulator, noop_max=0, frame_skip=recipe.frame_skip)
        self.environment = FrameStackObservation(frames, 4, padding_type="zero")
        self.actions = len(atari.ale.getMinimalActionSet())

    def reset(self) -> np.ndarray:
        observation: np.ndarray = self.environment.reset()[0]
        return observation

    def step(self, action: int) -> tuple[np.ndarray, float, bool]:
        observation, reward, terminated, truncated, _ = self.environment.step(action)
        ended = terminated or truncated
        self.last_frame = observation[-1]
        return self.reset() if ended else observation, float(reward), ended


def follow(recipe: Recipe, seeds: list[int], ticks: int) -> int:
    """Compares every observation, reward and end with the reference's; returns the ends."""
    environments = AtariEnvironments(recipe, len(seeds))
    references = [Reference(recipe, seed) for seed in seeds]
    assert [reference.actions for reference in references] == [environments.actions] * len(seeds)
    first = np.stack([reference.reset() for reference in references])
    np.testing.assert_array_equal(environments.reset(seeds), first)
    random, ends = np.random.default_rng(0), 0
    for _ in range(ticks):
        actions = random.integers(environments.actions, size=len(seeds))
        step = environments.step(actions)
        for k, reference in enumerate(references):
            observation, reward, ended = reference.step(int(actions[k]))
            np.testing.assert_array_equal(step.observation[k], observation)
            assert (step.reward[k], step.ended[k]) == (reward, ended)
            if ended:
                np.testing.assert_array_equal(step.last_frames[k], reference.last_frame)
        ends += int(step.ended.sum())
    environments.close()
    return ends


@pytest.mark.parametrize("game", PAPER_GAMES)
def test_the_stream_is_gymnasiums_across_episodes_that_are_cut_off(game: str) -> None:
    assert follow(Recipe(game=game, max_episode_steps=35), seeds=[5, 2**31 - 1], ticks=80) == 4


@pytest.mark.slow
@pytest.mark.parametrize("game", ["Breakout", "Qbert"])
def test_the_stream_is_gymnasiums_across_episodes_that_are_lost(game: str) -> None:
    assert follow(Recipe(game=game), seeds=[0, 7], ticks=800) >= 4


def test_frame_skip_and_sticky_actions_are_the_recipes() -> None:
    follow(Recipe(game="Breakout", frame_skip=2, sticky_actions=0.0), seeds=[1], ticks=100)


def test_an_episode_is_cut_off_at_exactly_the_cap() -> None:
    environments = AtariEnvironments(Recipe(game="Pong", max_episode_steps=50), members=1)
    environments.reset([1])
    steps = [environments.step(np.array([0])) for _ in range(150)]
    assert np.flatnonzero([step.ended[0] for step in steps]).tolist() == [49, 99, 149]
    assert np.flatnonzero([step.cut_off[0] for step in steps]).tolist() == [49, 99, 149]
    environments.close()


def test_an_episode_that_is_lost_is_not_cut_off() -> None:
    environments = AtariEnvironments(Recipe(game="Breakout"), members=1)
    environments.reset([1])
    steps = [environments.step(np.array([1])) for _ in range(300)]
    assert any(step.ended[0] for step in steps)
    assert not any(step.cut_off[0] for step in steps)


def test_the_full_action_set_is_the_consoles() -> None:
    minimal, full = (
        AtariEnvironments(Recipe(game="Breakout", action_set=name), members=1)
        for name in ("minimal", "full")
    )
    assert (minimal.actions, full.actions) == (4, 18)
    full.reset([1])
    assert full.step(np.array([17])).observation.shape == (1, 4, 84, 84)
    minimal.close()
    full.close()


@pytest.mark.parametrize(("no_ops", "different"), [(0, False), (30, True)])
def test_no_ops_let_each_seed_begin_at_another_time(no_ops: int, different: bool) -> None:
    recipe = Recipe(game="Seaquest", sticky_actions=0.0, no_ops=no_ops)
    environments = AtariEnvironments(recipe, members=4)
    first = environments.reset(range(4))
    assert not first[:, :3].any()  # an episode's first observation is one frame
    assert first[:, 3].any()
    later = [environments.step(np.zeros(4, dtype=np.int64)).observation for _ in range(5)][-1]
    assert (len({own.tobytes() for own in later}) > 1) is different
    environments.close()


@pytest.mark.parametrize(("fire", "lives"), [(False, 5), (True, 4)])
def test_a_ball_that_has_to_be_served_is_served_by_fire(fire: bool, lives: int) -> None:
    recipe = Recipe(game="Breakout", sticky_actions=0.0, fire_reset=fire)
    environments = AtariEnvironments(recipe, members=1)
    assert not environments.reset([1])[:, :3].any()
    assert environments.lives.tolist() == [5]
    for _ in range(60):
        environments.step(np.array([0]))
    assert environments.lives.tolist() == [lives]
    environments.close()


def stream(seeds: list[int], slot: int, ticks: int = 400) -> Iterator[tuple[bytes, float, bool]]:
    """What one slot shows under actions of its own while its neighbours act at random."""
    environments = AtariEnvironments(Recipe(game="Breakout"), len(seeds))
    own, others = np.random.default_rng(0), np.random.default_rng(len(seeds) + slot)
    yield environments.reset(seeds)[slot].tobytes(), 0.0, False
    for _ in range(ticks):
        actions = others.integers(4, size=len(seeds))
        actions[slot] = own.integers(4)
        step = environments.step(actions)
        yield step.observation[slot].tobytes(), float(step.reward[slot]), bool(step.ended[slot])
    environments.close()


@pytest.mark.slow
def test_a_slots_stream_depends_on_its_own_seed_and_actions_alone() -> None:
    alone = list(stream([42], slot=0))
    assert any(ended for _, _, ended in alone)
    assert list(stream([42, 42, 3], slot=1)) == alone
    assert list(stream([1, 2, 42], slot=2)) == alone


def test_different_seeds_give_different_streams() -> None:
    assert list(stream([1], slot=0, ticks=100)) != list(stream([2], slot=0, ticks=100))


def test_a_reset_begins_the_stream_of_its_seeds_whatever_went_before() -> None:
    environments = AtariEnvironments(Recipe(game="Breakout"), members=2)
    actions = np.random.default_rng(0).integers(4, size=(60, 2))

    def roll() -> list[bytes]:
        first = environments.reset([3, 4]).tobytes()
        return [first, *(environments.step(row).observation.tobytes() for row in actions)]

    assert roll() == roll()


@pytest.mark.parametrize("actions", [[0, 4], [-1, 0], [0], [0, 0, 0]])
def test_actions_that_do_not_exist_are_an_error_and_harm_nothing(actions: list[int]) -> None:
    environments = AtariEnvironments(Recipe(game="Breakout"), members=2)
    environments.reset([1, 2])
    with pytest.raises(ValueError, match=r"actions: .* are not 2 numbers from 0 to 3"):
        environments.step(np.array(actions))
    assert environments.step(np.array([3, 3])).observation.shape == (2, 4, 84, 84)


@pytest.mark.parametrize("seeds", [[1], [-1, 0], [0, 2**31]])
def test_seeds_that_ale_py_would_misread_are_an_error(seeds: list[int]) -> None:
    environments = AtariEnvironments(Recipe(game="Breakout"), members=2)
    with pytest.raises(ValueError, match=r"seeds: .* are not 2 numbers from 0 to"):
        environments.reset(seeds)


def test_every_one_player_game_that_ale_py_ships_can_be_named() -> None:
    two_players = {"combat", "joust", "maze_craze", "warlords"}
    named = {rom_id(game) for game in game_names()}
    assert named == set(roms.get_all_rom_ids()) - two_players
    for rom in named:
        path = roms.get_rom_path(rom)
        assert path is not None
        assert ale_py.ALEInterface.isSupportedROM(path) == rom
    assert set(PAPER_GAMES) <= set(game_names())


@pytest.mark.parametrize(
    ("game", "suggestion"),
    [("Pogn", "Pong"), ("space_invaders", "SpaceInvaders"), ("breakout", "Breakout")],
)
def test_an_unknown_game_is_an_error_that_names_close_ones(game: str, suggestion: str) -> None:
    with pytest.raises(ConfigError, match=f"game: '{game}' is none of .*did you mean {suggestion}"):
        rom_id(game)


@pytest.mark.parametrize(
    ("name", "game"),
    [
        ("PongNoFrameskip-v4", "Pong"),
        ("ALE/Pong-v5", "Pong"),
        ("Pong-v4", "Pong"),
        ("Pong-ramDeterministic-v0", "Pong"),
        ("ALE/SpaceInvaders", "SpaceInvaders"),
        ("Space_Invaders-v5", "SpaceInvaders"),
    ],
)
def test_a_gymnasium_name_suggests_its_game_alone(name: str, game: str) -> None:
    with pytest.raises(ConfigError, match=rf"did you mean {game}\? the rest of that name is"):
        rom_id(name)


def test_an_unknown_game_without_a_close_one_says_where_all_are_listed() -> None:
    with pytest.raises(ConfigError, match="ale-py ships; `wdbench doctor` lists all"):
        rom_id("xyzzy")
