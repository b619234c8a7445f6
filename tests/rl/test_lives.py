"""Lives as episodes: learning sees an end where ALE's counter falls, scores see whole games."""

import dataclasses

import numpy as np
import pytest
import torch

from rl.lives import Lives
from rl.population import Population
from rl.random_streams import environment_seed
from tests.list_log import Killed
from tests.rl.conftest import SEEDED, SMALL, run
from tests.rl.test_atari import Reference

PLAYED = 160
BREAKOUT = dataclasses.replace(
    SMALL, game="Breakout", training_steps=PLAYED, warm_up=PLAYED, max_episode_steps=27_000,
    replay_capacity=1000, episodic_life=True,
)  # fmt: skip
"""At random all the time: the warm-up is as long as the phase."""


def play(recipe, ticks=PLAYED):
    """What an agent sees before each step, its replay's rows, its actions, and what is logged."""
    population = Population(recipe, SEEDED[:1], torch.device("cpu"))
    (block,) = population.blocks
    seen, rows = [], []
    for _ in range(ticks):
        rows += population.run(1)
        seen.append(block._seen.host["observations"][0].copy())
    actions = population.phase_actions[:, 0].tolist()
    kept = block.replay.rows(0, 0, int(block.replay.appended[0]))
    population.close()
    return seen, kept, actions, rows


def lives_in_gymnasium(recipe, actions):
    """ALE's counter before the first and after each step, until the game ends."""
    reference = Reference(recipe, environment_seed(SEEDED[0].seed, 0, 0))
    reference.reset()
    emulator = reference.environment.unwrapped.ale
    lives = [emulator.lives()]
    for action in actions:
        *_, ended = reference.step(action)
        if ended:
            return [*lives, 0]
        lives.append(emulator.lives())
    return lives


@pytest.fixture(scope="module")
def played():
    return play(BREAKOUT)


def test_rows_end_where_a_life_is_lost(played):
    _, rows, actions, _ = played
    lives = lives_in_gymnasium(BREAKOUT, actions)
    lost = np.flatnonzero(np.diff(lives) < 0)
    assert len(lost) >= 4
    within = len(lives) - 1
    assert np.flatnonzero(rows.ended[:within]).tolist() == lost.tolist()


def test_an_agent_sees_what_the_replay_will_show_it(played):
    seen, rows, _, _ = played
    ends = np.flatnonzero(rows.ended)
    assert len(ends) >= 4
    for i in range(1, len(rows.ended)):
        stack = np.zeros((4, 84, 84), dtype=np.uint8)
        for back in range(min(int(rows.ages[i]), 3) + 1):
            stack[3 - back] = rows.frames[i - back]
        # `seen` holds what followed each step: the state of row i is what step i - 1 led to
        assert np.array_equal(seen[i - 1], stack), i


def test_scores_are_of_whole_games(played):
    *_, plain = play(dataclasses.replace(BREAKOUT, episodic_life=False))
    episodes = [
        [row.values for row in rows if row.log == "episode"] for rows in (played[-1], plain)
    ]
    assert episodes[0] == episodes[1] != []


@pytest.mark.slow
def test_a_run_that_is_killed_within_a_life_goes_on_bit_for_bit(tmp_path):
    recipe = dataclasses.replace(
        BREAKOUT, warm_up=40, training_steps=120, iterations=1, max_episode_steps=150
    )  # an agent that has learned nothing may never serve a ball
    (whole,), _ = run(tmp_path / "whole", SEEDED[:1], recipe=recipe)
    with pytest.raises(Killed):
        run(tmp_path / "killed", SEEDED[:1], recipe=recipe, kill_after=4)
    (resumed,), _ = run(tmp_path / "killed", SEEDED[:1], recipe=recipe)
    assert resumed.rows == whole.rows


def test_lives_by_hand():
    lives = Lives(np.array([3, 0], dtype=np.int32))
    no, yes = np.array([False, False]), np.array([False, True])
    assert lives.follow(np.array([3, 0], dtype=np.int32), no).tolist() == [False, False]
    assert lives.follow(np.array([2, 0], dtype=np.int32), no).tolist() == [True, False]
    assert lives.follow(np.array([2, 0], dtype=np.int32), yes).tolist() == [False, True]
    # a bonus life is no end
    assert lives.follow(np.array([3, 0], dtype=np.int32), no).tolist() == [False, False]
    observations = np.ones((2, 4, 84, 84), dtype=np.uint8)
    lives.hide(observations)
    # the first game's life is two steps old, the second game one
    assert [[int(frame.any()) for frame in own] for own in observations] == [
        [0, 1, 1, 1],
        [0, 0, 1, 1],
    ]
