"""One pass: every window at most once, in an order of the seed, also from the middle on."""

import numpy as np
import pytest
import torch

from lm.config import Recipe
from lm.window_data import WindowData
from tests.lm.runs import CPU, prepared, recipe
from workload.errors import ConfigError


def numbered(folder, train=1_001, val=101):
    """nanoGPT's files with token n at place n, so that a window shows where it is from."""
    folder.mkdir()
    for part, count in (("train", train), ("val", val)):
        np.arange(count, dtype=np.uint16).tofile(folder / f"{part}.bin")
    return str(folder)


def bins(folder, **changes) -> Recipe:
    return recipe(data=folder, tokens="bin", vocabulary=2_000, **changes)


def test_no_token_is_predicted_twice_and_none_is_left_out(tmp_path):
    """125 windows of 8 tokens: 15 updates of 8 windows take 120 of them."""
    own = bins(numbered(tmp_path / "text"), rounds=5, updates_per_round=3)
    data = WindowData(own, tmp_path, 0, CPU)
    seen = []
    for epoch in range(5):
        data.position.epoch, data.position.updates = epoch, 3 * epoch
        seen += list(data.batches)
    assert [each.shape for each in seen] == [(2, 4, 9)] * 15
    windows = torch.cat([each.flatten(0, 1) for each in seen])
    assert torch.equal(windows - windows[:, :1], torch.arange(9).expand(120, 9))
    predicted = windows[:, 1:].flatten().tolist()
    assert len(set(predicted)) == len(predicted) == 960
    assert not any(start % 8 for start in windows[:, 0].tolist())


def test_a_training_from_the_middle_on_sees_the_rest(tmp_path):
    own = bins(numbered(tmp_path / "text"), rounds=2, updates_per_round=5)
    whole, part = (WindowData(own, tmp_path, 3, CPU) for _ in range(2))
    part.position.updates = 2
    first = list(whole.batches)
    assert all(map(torch.equal, first[2:], part.batches))


def test_seeds_have_orders_of_their_own_and_repeat(tmp_path):
    own = bins(numbered(tmp_path / "text"))
    one, again, other = (WindowData(own, tmp_path, s, CPU).update(0) for s in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_longer_training_begins_as_a_shorter_one(tmp_path):
    folder = numbered(tmp_path / "text")
    short, long = (WindowData(bins(folder, rounds=n), tmp_path, 0, CPU) for n in (1, 3))
    assert all(torch.equal(short.update(n), long.update(n)) for n in range(4))


def test_fixed_windows_are_spread_over_both_texts(tmp_path):
    own = bins(numbered(tmp_path / "text"), evaluation_windows=5)
    fixed = {
        part: torch.cat(batches)[:, 0].tolist()
        for part, batches in WindowData(own, tmp_path, 0, CPU).fixed.items()
    }
    assert fixed == {"val": [0, 16, 32, 56, 72], "fit": [0, 200, 400, 600, 800]}
    other = WindowData(own, tmp_path, 9, CPU).fixed["val"]
    assert torch.cat(other)[:, 0].tolist() == fixed["val"]


def test_nanogpts_files_are_read_as_they_are(tmp_path):
    """By the folder's path, and by its name below the data folder."""
    folder = numbered(tmp_path / "text")
    by_path = WindowData(bins(folder), tmp_path / "data", 0, CPU)
    by_name = WindowData(bins("text"), tmp_path, 0, CPU)
    assert torch.equal(by_path.update(1), by_name.update(1))


def test_texts_that_are_too_short_or_damaged(tmp_path):
    folder = numbered(tmp_path / "text")
    with pytest.raises(ConfigError, match=r"rounds: 4 rounds take 128 .* has 125.*at most 3 rou"):
        WindowData(bins(folder, rounds=4), tmp_path, 0, CPU)
    with pytest.raises(ConfigError, match="context: 128 tokens are more than the 101 for"):
        WindowData(
            bins(folder, context=128, rounds=1, updates_per_round=1, accumulate=1, warm_up=0),
            *(tmp_path, 0, CPU),
        )
    small = recipe(data=folder, tokens="bin", vocabulary=1_000, rounds=1, evaluation_windows=1_000)
    with pytest.raises(ConfigError, match=r"holds token 1,000, and the vocabulary is 1,000"):
        WindowData(small, tmp_path, 0, CPU)
    with (tmp_path / "text" / "val.bin").open("ab") as file:
        file.write(b"!")
    with pytest.raises(ConfigError, match=r"val\.bin has 203 bytes, which are no tokens of two"):
        WindowData(bins(folder), tmp_path, 0, CPU)
    with pytest.raises(ConfigError, match=r"there is no .*train\.bin"):
        WindowData(bins("elsewhere"), tmp_path, 0, CPU)


def test_prepared_text_gives_the_texts_characters(tmp_path):
    data_dir = prepared(tmp_path)
    data = WindowData(recipe(), data_dir, 0, CPU)
    text = (tmp_path / "words.txt").read_text()
    letters = sorted(set(text))
    for window in data.update(0).flatten(0, 1).tolist():
        assert "".join(letters[token] for token in window) in text
