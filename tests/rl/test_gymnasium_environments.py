"""Environments of gymnasium: what they show, what is trained on them, what is refused."""

import dataclasses
import json
import random

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from PIL import Image

from rl import doctor
from rl.config import Recipe
from rl.gymnasium_environments import GymnasiumEnvironments, spec_of
from rl.member_checkpoint import agent_state, trained_state
from rl.population import Population
from rl.position import TRAINING
from rl.random_streams import environment_seed
from rl.trained_agent import TrainedAgent
from rl.workload import WORKLOAD
from suite.__main__ import main
from tests.list_log import Killed
from tests.rl.conftest import CONFIG, SEEDED, SMALL, read_position, run
from workload.errors import ConfigError, UserError
from workload.files import write_json

pytestmark = pytest.mark.slow

CARTPOLE = dataclasses.replace(
    SMALL, game="gymnasium:CartPole-v1", padding="same", truncation="bootstrap"
)


class Walk(gymnasium.Env):
    """Right is worth a point; it ends after nine steps. `noise` draws where it starts."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    observation_space = spaces.Box(-100, 100, (2,), np.float64)
    action_space = spaces.Discrete(2, start=1)
    render_mode = None

    def __init__(self, noise=None, render_mode=None):
        self.noise, self.render_mode = noise, render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = np.array([(self.noise or self.np_random.random)(), 0.0])
        return self.at.copy(), {}

    def step(self, action):
        assert action in (1, 2)
        self.at += (action - 1, 1)
        return self.at.copy(), float(action - 1), bool(self.at[1] >= 9), False, {}

    def render(self):
        return np.full((40, 60, 3), int(self.at[1]), np.uint8)


class Still(gymnasium.Env):
    """Shows something at random, once."""

    def __init__(self, observation_space, action_space, render_mode=None):
        self.observation_space, self.action_space = observation_space, action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.integers(256, size=self.observation_space.shape, dtype=np.uint8), {}


def still(observation_space, action_space=None):
    actions = action_space or spaces.Discrete(3)
    return Still, {"observation_space": observation_space, "action_space": actions}


@pytest.fixture(scope="module", autouse=True)
def registered():
    made = {
        "test/Walk-v0": (Walk, {}),
        "test/Lottery-v0": (Walk, {"noise": random.random}),
        "test/Painting-v0": still(spaces.Box(0, 255, (40, 52, 3), np.uint8)),
        "test/Stamp-v0": still(spaces.Box(0, 255, (8, 9, 3), np.uint8)),
        "test/Numbered-v0": still(spaces.Discrete(500)),
        "test/Counted-v0": still(spaces.Box(0, 1, (2,), np.uint16)),
        "test/Pendulum-v0": still(spaces.Box(0, 1, (2,)), spaces.Box(-1, 1, (1,))),
        "test/Library-v0": still(spaces.Box(0, 1, (2,)), spaces.Discrete(255)),
    }
    for name, (kind, arguments) in made.items():
        gymnasium.register(name, kind, kwargs=arguments)
    yield
    for name in made:
        del gymnasium.registry[name]


def test_what_is_shown_is_gymnasiums_own_stream():
    seeds, recipe = [4, 9], dataclasses.replace(CARTPOLE, max_episode_steps=15)
    environments = GymnasiumEnvironments(recipe, 2)
    observation = environments.reset(seeds)
    games = [gymnasium.make("CartPole-v1", max_episode_steps=15) for _ in seeds]
    expected = [game.reset(seed=seed)[0] for game, seed in zip(games, seeds, strict=True)]
    ends = cuts = 0
    for actions in np.random.default_rng(0).integers(2, size=(200, 2)):
        assert observation.dtype == np.float32
        assert np.array_equal(observation, np.stack(expected)[:, None])
        step = environments.step(actions)
        for k, game in enumerate(games):
            expected[k], reward, over, late, _ = game.step(actions[k])
            assert np.array_equal(step.last_frames[k], expected[k])
            assert step.reward[k] == reward
            assert (step.ended[k], step.cut_off[k]) == (over or late, late and not over)
            if over or late:
                ends, cuts = ends + 1, cuts + late
                expected[k], _ = game.reset()
        observation = step.observation
    assert ends > cuts > 0


def test_a_replay_keeps_observations_in_their_own_dtype():
    recipe = dataclasses.replace(CARTPOLE, game="gymnasium:test/Walk-v0")
    population = Population(recipe, SEEDED[:1], torch.device("cpu"))
    population.run(60)
    replay = population.blocks[0].replay
    rows = replay.rows(0, 0, int(replay.appended[0]))
    assert rows.frames.dtype == np.float64
    assert rows.frames.shape[1:] == (2,)
    starts = rows.frames[:-1][rows.ages[:-1] == 0]
    assert len(set(starts[:, 0])) == len(starts) > 5  # no two random starts are rounded to one
    assert np.all(starts[:, 1] == 0)
    going_on = rows.ages[1:] > 0
    moved = np.diff(rows.frames, axis=0)[going_on]
    assert np.array_equal(moved[:, 1], np.ones(len(moved)))
    assert np.array_equal(moved[:, 0].round(), rows.actions[:-1][going_on])  # 0 and 1, not 1 and 2
    population.close()


def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(tmp_path):
    recipe = dataclasses.replace(CARTPOLE, iterations=1)
    (whole,), outcomes = run(tmp_path / "whole", SEEDED[:1], recipe=recipe)
    with pytest.raises(Killed):
        run(tmp_path, SEEDED[:1], recipe=recipe, kill_after=4)
    iteration, phase, tick = read_position(tmp_path / "separated-1e-3-3")
    assert (iteration, phase) == (0, TRAINING)
    assert tick > recipe.warm_up
    (log,), resumed = run(tmp_path, SEEDED[:1], recipe=recipe)
    assert (log.rows, resumed) == (whole.rows, outcomes)
    ours, theirs = trained_state(log.path).parameters, trained_state(whole.path).parameters
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_what_does_not_repeat_itself_is_resumed_as_inexact(tmp_path):
    recipe = dataclasses.replace(CARTPOLE, game="gymnasium:test/Lottery-v0", iterations=1)
    with pytest.raises(Killed):
        run(tmp_path, SEEDED[:1], recipe=recipe, kill_after=3)
    with pytest.warns(RuntimeWarning, match="separated-1e-3/seed3 begin their episode anew"):
        (log,), (outcome,) = run(tmp_path, SEEDED[:1], recipe=recipe)
    assert outcome.figures["inexact_resumes"] == 1
    assert all(row["return"] <= row["length"] <= 9 for row in log.rows if "return" in row)


def test_an_image_passes_the_convolutions_and_a_vector_the_layers():
    for name, layer in (("Painting", "conv1.weight"), ("Stamp", "hidden1.weight")):
        recipe = dataclasses.replace(CARTPOLE, game=f"gymnasium:test/{name}-v0")
        population = Population(recipe, SEEDED[:2], torch.device("cpu"), block_size=2)
        block = population.blocks[0]
        block.begin_phase(0, 0)
        shown = block._seen.tensors["observations"]
        own = gymnasium.make(f"test/{name}-v0", disable_env_checker=True)
        frame, _ = own.reset(seed=environment_seed(SEEDED[0].seed, 0, 0))
        seen = shown[0, 0].numpy() if name == "Stamp" else np.moveaxis(shown[0, 0].numpy(), 0, -1)
        assert np.array_equal(seen, frame)
        assert block.parameters[layer].shape[2] == {"Painting": 3, "Stamp": 8 * 9 * 3}[name]
        population.close()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("test/Pendulum-v0", "continuous actions, Box"),
        ("test/Library-v0", "has 255 actions; 254 are the most"),
        ("test/Numbered-v0", r"shows Discrete\(500\), which is neither an image nor a vector"),
        ("test/Counted-v0", "shows uint16; .* can be kept"),
        ("CartPole-v77", "cannot be made here: .*CartPole"),
        ("no_such_package:Maze-v0", "cannot be made here: .*no_such_package"),
    ],
)
def test_what_dqn_cannot_play_is_refused(name, problem):
    with pytest.raises(ConfigError, match=f"game: gymnasium:{name}.*{problem}"):
        spec_of(name)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"sticky_actions": 0.0}, "sticky_actions: 0.0 is for Atari games"),
        ({"episodic_life": True}, "episodic_life: True is for Atari games"),
        ({"padding": "valid"}, "padding: gymnasium:CartPole-v1 shows vectors"),
    ],
)
def test_keys_without_a_meaning_are_refused(settings, problem):
    with pytest.raises(UserError, match=problem):
        WORKLOAD.validate(dataclasses.replace(CARTPOLE, **settings), WORKLOAD.Machine())


def test_a_name_without_its_prefix_is_suggested():
    with pytest.raises(ConfigError, match="gymnasium's own is gymnasium:CartPole-v1"):
        WORKLOAD.validate(Recipe(game="CartPole-v1"), WORKLOAD.Machine())


def test_env_is_the_same_flag_as_game(capsys, tmp_path):
    flags = ["--preset", "cartpole", "--runs", str(tmp_path), "--print_config"]
    shown = []
    for name in ("--env", "--game"):
        assert main(["run", "rl", *flags, name, "gymnasium:Acrobot-v1"]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "game: gymnasium:Acrobot-v1" in shown[0]
    assert f"{tmp_path}/rl/Acrobot-v1/none/seed0-" in shown[0]
    # 6 float32 and 10 bytes of columns
    assert "1 x 20,000 transitions: 1 x 680 kB = 680 kB; a batch" in shown[0]


def test_a_trained_agent_is_evaluated_and_filmed(tmp_path, capsys):
    recipe = dataclasses.replace(CARTPOLE, game="gymnasium:test/Walk-v0", iterations=1)
    (log,), _ = run(tmp_path, SEEDED[:1], recipe=recipe)
    write_json(log.path / "config.json", CONFIG | {"recipe": recipe.values()})
    assert main(["evaluate", str(log.path), "--episodes", "3", "--epsilon", "1"]) == 0
    row = json.loads((log.path / "evaluations.jsonl").read_text())
    assert (row["lengths"], row["frames"]) == ([9, 9, 9], row["agent_steps"])
    assert row["human_normalised"] is None
    assert main(["watch", str(log.path), "--seconds", "1"]) == 0
    assert "in 9 agent steps" in capsys.readouterr().out
    with Image.open(log.path / "episode.gif") as film:
        assert (film.size, film.info["duration"]) == ((60, 40), 100)


def test_an_agent_acts_on_what_it_sees():
    """Q is the two layers' in float64, of bytes as numbers from 0 to 1."""
    recipe = dataclasses.replace(CARTPOLE, game="gymnasium:test/Stamp-v0")
    population = Population(recipe, SEEDED[:1], torch.device("cpu"))
    block = population.blocks[0]
    frames = np.random.default_rng(1).integers(256, size=(5, 1, 8, 9, 3), dtype=np.uint8)
    agent = TrainedAgent(recipe, agent_state(population, 0), block.online, torch.device("cpu"))
    x = frames.reshape(5, -1) / 255
    p = {name: value.detach()[0].double().numpy() for name, value in block.parameters.items()}
    for name in ("hidden1", "hidden2"):
        x = np.maximum(x @ p[f"{name}.weight"].T + p[f"{name}.bias"], 0)
    q = x @ p["output.weight"].T + p["output.bias"]
    assert agent.greedy(frames).tolist() == q.argmax(1).tolist()
    population.close()


def test_doctor_names_environments_that_can_be_made():
    finding = doctor.others()
    assert finding.mark == "ok"
    assert "CartPole-v1" in finding.text
