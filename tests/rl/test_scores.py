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


def test_what_ended_is_given_back_with_its_member():
    scores = Scores(3)
    acting = np.array([True, True])
    for ended in ([False, False], [False, True]):
        found = scores.add(
            slice(1, 3), np.array([2.0, 5.0]), np.array(ended), acting, training=True
        )
    assert found == [(2, 10.0, 2)]


def test_the_newest_hundred_training_episodes_are_kept_also_through_a_checkpoint():
    scores, one = Scores(1), (slice(0, 1), np.array([True]), np.array([True]))
    assert scores.recent_mean(0) == {"train/return_last100": None}
    for number in range(130):
        scores.add(one[0], np.array([float(number)]), *one[1:], training=True)
        scores.add(one[0], np.array([1e6]), *one[1:], training=False)
    expected = {"train/return_last100": sum(range(30, 130)) / 100}
    assert scores.recent_mean(0) == expected
    other = Scores(1)
    other.set_state(0, json.loads(json.dumps(scores.state(0))))
    assert other.recent_mean(0) == expected
    scores.add(one[0], np.array([130.0]), *one[1:], training=True)
    other.add(one[0], np.array([130.0]), *one[1:], training=True)
    assert other.recent_mean(0) == scores.recent_mean(0) != expected


def test_a_state_from_before_they_were_kept_has_none():
    scores = Scores(1)
    scores.set_state(0, {k: v for k, v in Scores(1).state(0).items() if k != "recent"})
    assert scores.recent_mean(0) == {"train/return_last100": None}


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
    assert episode_summary("train", [(1.0, 10), (3.0, 20), (1.0, 15), (3.0, 15), (1.0, 15)]) == {
        "train/episodes": 5,
        "train/return": 1.8,
        "train/return_median": 1.0,
        "train/return_std": pytest.approx(0.96**0.5),
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
