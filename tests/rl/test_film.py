import dataclasses
import shutil
import sys

import gymnasium
import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from rl.atari import AtariEnvironments
from rl.config import Recipe
from rl.film import record_episode
from rl.network import Weights, q_values
from rl.random_streams import environment_seed
from rl.trained_agent import TrainedAgent
from suite.__main__ import main
from tests.rl.conftest import CONFIG, SEEDED, SMALL, load_agent, run
from workload.errors import UserError
from workload.files import write_json

pytestmark = pytest.mark.slow


def test_a_film_shows_the_episode_that_was_played(tmp_path, undisturbed):
    logs, _ = undisturbed
    agent = load_agent(logs[0].path)
    told = []
    film = record_episode(
        agent, tmp_path / "film.gif", 5, 2, lambda stage, *amounts: told.append((stage, amounts))
    )
    with Image.open(film.path) as picture:
        shown = [frame.info["duration"] for frame in ImageSequence.Iterator(picture)]
    # two seconds of 60 emulator frames at 4 per agent step; equal pictures are shown as one
    assert (film.steps, sum(shown)) == (30, 30 * 70)
    again = record_episode(agent, tmp_path / "again.gif", 5, 2)
    assert film.path.read_bytes() == again.path.read_bytes()
    assert not film.ended
    played = [amounts for stage, amounts in told if stage.startswith("played")]
    assert played == [(step, 30) for step in range(1, 31)]


def test_an_mp4_shows_the_same_pictures(tmp_path, undisturbed):
    av = pytest.importorskip("av")
    agent = load_agent(undisturbed[0][0].path)
    film = record_episode(agent, tmp_path / "film.mp4", 5, 2)
    record_episode(agent, tmp_path / "film.gif", 5, 2)
    with av.open(str(film.path)) as container:
        (video,) = container.streams
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video)]
        assert (video.average_rate, len(frames), frames[0].shape) == (15, 30, (420, 320, 3))
    with Image.open(tmp_path / "film.gif") as picture:
        first = np.array(picture.convert("RGB")).astype(int)
    # both lose a little: one in its palette, one in its compression
    assert np.abs(frames[0][::2, ::2].astype(int) - first).mean() < 4


def test_an_mp4_without_pyav_is_refused_before_anything_is_played(
    tmp_path, undisturbed, monkeypatch
):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"an MP4 needs PyAV: `pip install av`; .*\.gif does not"):
        record_episode(load_agent(undisturbed[0][0].path), tmp_path / "film.mp4")
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_it_does_and_where_it_cuts(tmp_path, undisturbed, capsys):
    run = tmp_path / "run"
    shutil.copytree(undisturbed[0][0].path, run)
    write_json(run / "config.json", CONFIG)
    assert main(["watch", str(run), "--seconds", "2"]) == 0
    answer = capsys.readouterr()
    assert answer.err.splitlines() == ["played: agent steps ...", "writing: pictures ..."]
    assert "in 30 agent steps, cut off after 2 s of game time; --seconds films more" in answer.out
    # the recipe cuts an episode off at 50 agent steps
    assert main(["watch", str(run)]) == 0
    assert capsys.readouterr().out.endswith("in 50 agent steps\n")


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--out", "film.webm"], "film.webm does not end in .gif or .mp4"),
        (["--seconds", "0"], "--seconds: 0 is not a number of seconds"),
        (["--seconds", "nan"], "--seconds: nan is not a number of seconds"),
    ],
)
def test_what_cannot_be_filmed_is_refused(tmp_path, flags, problem, capsys):
    write_json(tmp_path / "config.json", CONFIG)
    assert main(["watch", str(tmp_path), *flags]) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.slow
def test_an_agent_of_bfloat16_plays_with_the_numbers_that_it_was_trained_with(tmp_path):
    recipe = dataclasses.replace(SMALL, precision="bf16", iterations=1)
    (log,), _ = run(tmp_path, SEEDED[:1], recipe=recipe)
    config = CONFIG | {"recipe": recipe.values()}
    agent = TrainedAgent.load(log.path, config, torch.device("cpu"))
    parameters = {name: p.unsqueeze(0) for name, p in agent.state.parameters.items()}
    frames = torch.from_numpy(
        np.random.default_rng(0).integers(256, size=(200, 4, 84, 84), dtype=np.uint8)
    )
    chosen = agent.greedy(frames.numpy()).tolist()
    own = q_values(Weights(parameters, torch.bfloat16).values, frames.unsqueeze(0))[0]
    assert chosen == own.argmax(1).tolist()
    assert own.dtype == torch.bfloat16


def test_the_camera_sees_what_gymnasium_renders():
    recipe = Recipe(game="Breakout", sticky_actions=0.0)
    camera = AtariEnvironments(recipe, 1, colour=True)
    seed = environment_seed(0, 0, 0)
    picture = camera.reset([seed])
    game = gymnasium.make("ALE/Breakout-v5", repeat_action_probability=0.0, frameskip=1)
    frame, _ = game.reset(seed=seed)
    assert np.array_equal(picture[0, -1], frame)
    for action in (1, 2, 2, 3, 0, 1):
        picture = camera.step(np.array([action])).observation
        last_two = [game.step(action)[0] for _ in range(4)][-2:]
        assert np.array_equal(picture[0, -1], np.maximum(*last_two))
