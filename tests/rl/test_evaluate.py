"""Trained agents play: how many episodes, with which bounds, and where the result is kept."""

import dataclasses
import json
import shutil
import statistics

import numpy as np
import pytest
import torch

from rl.config import Recipe
from rl.exploration import greedy_actions
from rl.intervals import mean_interval, median_interval
from rl.network import Weights, initial_parameters
from rl.play import play
from rl.trained_agent import TrainedAgent
from suite.__main__ import main
from tests.rl.conftest import CONFIG, SMALL, load_agent
from workload.files import write_json

pytestmark = pytest.mark.slow


@pytest.mark.slow
def test_random_play_scores_what_is_published(undisturbed):
    """dqn_zoo's random play has 1.7 on Breakout; with sticky actions a little less is hit."""
    agent = load_agent(undisturbed[0][0].path)
    recipe = Recipe(game="Breakout")
    played = play(
        dataclasses.replace(agent, recipe=recipe), episodes=60, epsilon=1.0, seed=0, environments=8
    )
    returns = [episode.score for episode in played]
    assert len(played) == 60
    low, high = mean_interval(returns)
    assert low < 1.7 < high + 0.3
    assert high - low < 1.0
    assert not any(episode.cut_off for episode in played)


@pytest.mark.slow
@pytest.mark.parametrize(("episodes", "environments"), [(5, 3), (2, 8), (4, 1)])
def test_it_plays_as_many_episodes_as_asked_for_shared_between_environments(
    undisturbed, monkeypatch, episodes, environments
):
    agent, told = load_agent(undisturbed[0][0].path), []
    played = play(
        agent,
        episodes=episodes,
        epsilon=0.1,
        seed=1,
        environments=environments,
        progress=told.append,
    )
    # the recipe cuts every one off at 50 steps
    assert [(episode.length, episode.cut_off) for episode in played] == [(50, True)] * episodes
    assert told[-1] == episodes


@pytest.mark.slow
def test_the_same_seed_plays_the_same_and_another_one_does_not(undisturbed):
    agent = load_agent(undisturbed[0][0].path)
    longer = dataclasses.replace(agent, recipe=Recipe(game="Breakout"))

    def episodes(seed):
        return play(longer, episodes=4, epsilon=1.0, seed=seed, environments=2)

    assert episodes(0) == episodes(0) != episodes(1)


def test_several_observations_get_the_actions_that_each_gets_alone():
    parameters = initial_parameters([3], 6, "valid")
    weights = Weights(parameters, torch.float32)
    agent = TrainedAgent(SMALL, None, weights, torch.device("cpu"))
    seen = np.random.default_rng(0).integers(256, size=(40, 4, 84, 84), dtype=np.uint8)
    alone = [
        int(greedy_actions(weights.values, torch.from_numpy(seen[i : i + 1]))) for i in range(40)
    ]
    assert agent.greedy(seen).tolist() == alone
    assert len(set(alone)) > 1


def test_the_intervals_are_those_of_the_tables():
    # Student's t, .975, 4 degrees of freedom: 2.776; s = sqrt(2.5)
    low, high = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (low, high) == pytest.approx((3 - 2.776 * 0.5**0.5, 3 + 2.776 * 0.5**0.5), abs=1e-3)
    assert mean_interval([1.0]) is None
    assert mean_interval([-21.0] * 30) is None
    # Conover, Practical Nonparametric Statistics: ranks for a median at 95 %
    for n, rank in ((6, 1), (9, 2), (10, 2), (20, 6), (30, 10), (100, 40)):
        assert median_interval(list(range(1, n + 1))) == (rank, n + 1 - rank)
    assert median_interval([1.0] * 5) is None


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 15, 30])
def test_the_medians_interval_covers_what_it_says(n):
    random = np.random.default_rng(n)
    draws = random.exponential(size=(4000, n))
    found = [median_interval(row.tolist()) for row in draws]
    covered = np.mean([low <= np.log(2) <= high for low, high in found])
    assert covered > 0.95 - 0.011  # three standard errors of 4,000 trials


@pytest.fixture
def run_folder(tmp_path, undisturbed):
    folder = tmp_path / "run"
    shutil.copytree(undisturbed[0][0].path, folder)
    write_json(folder / "config.json", CONFIG)
    return folder


@pytest.mark.slow
def test_the_command_prints_it_and_keeps_it_beside_the_run(run_folder, capsys):
    command = ["evaluate", str(run_folder), "--episodes", "7", "--epsilon", "0.05"]
    assert main(command) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    (row,) = map(json.loads, (run_folder / "evaluations.jsonl").read_text().splitlines())
    assert (row["episodes"], row["epsilon"], row["agent_steps"]) == (7, 0.05, 300)
    assert row["checkpoint"] == {"iteration": 2, "phase": 0, "tick": 0}
    assert row["frames"] == 1200
    assert row["return"] == pytest.approx(statistics.mean(row["returns"]))
    assert row["return_median"] == statistics.median(row["returns"])
    assert row["lengths"] == [50] * 7
    assert row["truncated"] == 7
    # Pong: -20.7 at random, 14.6 by a person
    assert row["human_normalised"] == pytest.approx((row["return"] + 20.7) / 35.3)
    assert [f"{row['human_normalised']:.1%}", f"{row['return']:.1f}"] == [
        line.split()[-1],
        line.split()[4],
    ]
    main([*command, "--seed", "1", "--checkpoint", "previous"])
    rows = list(map(json.loads, (run_folder / "evaluations.jsonl").read_text().splitlines()))
    assert [r["seed"] for r in rows] == [0, 1]
    assert rows[1]["checkpoint"] != row["checkpoint"]


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--episodes", "0"], "--episodes: 0 is not above 0"),
        (["--environments", "-1"], "--environments: -1 is not above 0"),
        (["--epsilon", "1.5"], "--epsilon: 1.5 is not between 0 and 1"),
        (["--epsilon", "nan"], "--epsilon: nan is not between 0 and 1"),
        (["--seed", "-1"], "--seed: -1 is negative"),
        (["--checkpoint", "last"], "--checkpoint: 'last' is none of newest, previous, best"),
        (["--checkpoint", "best"], "has kept no iteration's weights; --keep-checkpoints N|best"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(run_folder, flags, problem, capsys):
    assert main(["evaluate", str(run_folder), *flags]) == 2
    assert problem in capsys.readouterr().err
    assert not (run_folder / "evaluations.jsonl").exists()


def test_a_run_whose_states_are_lost_names_the_weights_that_it_has_kept(tmp_path, capsys):
    write_json(tmp_path / "config.json", CONFIG)
    (tmp_path / "weights").mkdir()
    for name in ("best.pt", "iteration-0003.pt"):
        (tmp_path / "weights" / name).write_bytes(b"damaged")
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "--checkpoint best or 3 plays" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path), "--checkpoint", "3"]) == 2
    assert "--checkpoint newest takes the newest state" in capsys.readouterr().err


def test_a_run_without_a_checkpoint_or_of_another_kind_is_refused(tmp_path, capsys):
    write_json(tmp_path / "config.json", CONFIG)
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "an agent plays from its first checkpoint on" in capsys.readouterr().err
    write_json(tmp_path / "config.json", CONFIG | {"workload": "nlp"})
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "is no rl run" in capsys.readouterr().err
