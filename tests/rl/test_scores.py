import json

import numpy as np
import pytest
import torch

from rl.scores import Scores, Window, episode_summary

ALL = slice(0, 2)


def test_returns_and_lengths_by_hand():
    scores = Scores(2)
    both, first = np.array([True, True]), np.array([True, False])
    scores.add(ALL, np.array([1.0, 5.0]), np.array([False, False]), both, training=True)
    scores.add(ALL, np.array([2.0, 7.0]), np.array([True, True]), first, training=True)
    scores.add(ALL, np.array([4.0, 1.0]), np.array([True, True]), both, training=True)
    assert scores.phase == [[(3.0, 2), (4.0, 1)], [(6.0, 2)]]
    assert scores.last == [4.0, 6.0]
    assert scores.window == scores.phase


def test_members_of_one_block_are_added_to_their_places():
    scores = Scores(3)
    acting = np.array([True, True])
    scores.add(slice(1, 3), np.array([2.0, 5.0]), np.array([False, True]), acting, training=True)
    assert scores.returns.tolist() == [0.0, 2.0, 0.0]
    assert scores.lengths.tolist() == [0, 1, 0]
    assert scores.phase == [[], [], [(5.0, 1)]]


def test_an_evaluation_episode_stays_out_of_the_training_window():
    scores = Scores(1)
    scores.add(slice(0, 1), np.array([9.0]), np.array([True]), np.array([True]), training=False)
    assert scores.phase == [[(9.0, 1)]]
    assert scores.window == [[]]


def test_a_summary_by_hand():
    assert episode_summary("train", [(1.0, 10), (3.0, 20)]) == {
        "train/episodes": 2,
        "train/return": 2.0,
        "train/return_std": 1.0,
        "train/length": 15.0,
    }
    assert episode_summary("eval", [])["eval/return"] is None


def test_a_window_is_the_mean_over_the_updates_a_member_took_part_in():
    window = Window(2, torch.device("cpu"))
    window.add(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), torch.tensor([True, True]))
    nonsense = torch.tensor([5.0, torch.nan])
    window.add(nonsense, nonsense, torch.tensor([True, False]))
    window.updates += [2, 1]
    assert window.means(0) == {"loss": 3.0, "mean_q": 4.0}
    assert window.means(1) == {"loss": 2.0, "mean_q": 4.0}
    window.clear(0)
    assert window.means(0) == {"loss": None, "mean_q": None}


@pytest.mark.parametrize("k", [0, 1])
def test_state_goes_through_json_and_back(k):
    scores, other = Scores(2), Scores(2)
    scores.add(
        ALL, np.array([1.0, 5.0]), np.array([True, False]), np.array([True, True]), training=True
    )
    other.set_state(k, json.loads(json.dumps(scores.state(k))))
    assert other.returns[k] == scores.returns[k]
    assert [tuple(e) for e in other.phase[k]] == scores.phase[k]
    assert other.last[k] == scores.last[k]
