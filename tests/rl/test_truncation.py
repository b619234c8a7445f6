"""An episode that is cut off as no end for learning: what the replay then holds."""

import dataclasses

import numpy as np
import pytest
import torch

from rl.population import Population
from rl.random_streams import environment_seed
from rl.replay import CLOSING
from tests.list_log import Killed
from tests.rl.conftest import SEEDED, SMALL, run
from tests.rl.test_atari import Reference

CUT = 50
BOOTSTRAP = dataclasses.replace(
    SMALL, truncation="bootstrap", warm_up=120, replay_capacity=300, max_episode_steps=CUT
)
"""At random all through the first phase."""


def play(recipe):
    population = Population(recipe, SEEDED[:1], torch.device("cpu"))
    rows = population.run(121)
    (block,) = population.blocks
    kept = block.replay.rows(0, 0, int(block.replay.appended[0]))
    actions = population.phase_actions[:, 0].tolist()
    population.close()
    return kept, actions, rows


def test_a_cut_is_followed_by_the_frame_that_gymnasium_ends_with():
    rows, actions, _ = play(BOOTSTRAP)
    reference = Reference(BOOTSTRAP, environment_seed(SEEDED[0].seed, 0, 0))
    reference.reset()
    last = [reference.last_frame for action in actions[: 2 * CUT] if reference.step(action)[2]]
    # 50 steps and a closing row, twice
    closing = np.flatnonzero(rows.actions == CLOSING)
    assert closing.tolist() == [CUT, 2 * CUT + 1]
    for place, frame in zip(closing, last, strict=True):
        assert np.array_equal(rows.frames[place], frame)
    assert np.flatnonzero(rows.ended).tolist() == closing.tolist()
    assert rows.ages[: CUT + 3].tolist() == [*range(CUT + 1), 0, 1]


@pytest.mark.slow
def test_all_else_is_as_it_is_without():
    with_rows, actions, logged = play(BOOTSTRAP)
    plain, plain_actions, plain_logged = play(dataclasses.replace(BOOTSTRAP, truncation="terminal"))
    assert (actions, logged) == (plain_actions, plain_logged)
    own = with_rows.actions != CLOSING
    for name in ("frames", "actions", "rewards", "ages"):
        assert np.array_equal(getattr(with_rows, name)[own], getattr(plain, name))
    assert np.flatnonzero(plain.ended).tolist() == [CUT - 1, 2 * CUT - 1]


@pytest.mark.slow
@pytest.mark.parametrize("kill_after", [3, 5])
def test_a_killed_run_goes_on_bit_for_bit(tmp_path, kill_after):
    recipe = dataclasses.replace(BOOTSTRAP, warm_up=64, replay_capacity=100)
    (whole,), _ = run(tmp_path / "whole", SEEDED[:1], recipe=recipe)
    with pytest.raises(Killed):
        run(tmp_path / "killed", SEEDED[:1], recipe=recipe, kill_after=kill_after)
    (resumed,), _ = run(tmp_path / "killed", SEEDED[:1], recipe=recipe)
    assert resumed.rows == whole.rows
