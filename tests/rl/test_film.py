import gymnasium
import numpy as np
from PIL import Image, ImageSequence

from rl.config import Recipe
from rl.environment import Environments
from rl.film import record_episode
from rl.random_streams import environment_seed
from tests.rl.conftest import SMALL


def test_a_film_shows_the_episode_that_was_played(tmp_path, undisturbed):
    logs, _ = undisturbed
    film = record_episode(logs[0].path, SMALL, tmp_path / "film.gif", seed=5, seconds=2)
    with Image.open(film.path) as picture:
        shown = [frame.info["duration"] for frame in ImageSequence.Iterator(picture)]
    # two seconds of 60 emulator frames at 4 per agent step; equal pictures are shown as one
    assert (film.steps, sum(shown)) == (30, 30 * 70)
    again = record_episode(logs[0].path, SMALL, tmp_path / "again.gif", seed=5, seconds=2)
    assert film.path.read_bytes() == again.path.read_bytes()
    assert not film.ended


def test_the_camera_sees_what_gymnasium_renders():
    recipe = Recipe(game="Breakout", sticky_actions=0.0)
    camera = Environments(recipe, 1, colour=True)
    seed = environment_seed(0, 0, 0)
    picture = camera.reset([seed])
    game = gymnasium.make("ALE/Breakout-v5", repeat_action_probability=0.0, frameskip=1)
    frame, _ = game.reset(seed=seed)
    assert np.array_equal(picture[0, -1], frame)
    for action in (1, 2, 2, 3, 0, 1):
        picture = camera.step(np.array([action])).observation
        last_two = [game.step(action)[0] for _ in range(4)][-2:]
        assert np.array_equal(picture[0, -1], np.maximum(*last_two))
