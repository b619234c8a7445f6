"""Bytes in, bytes out: npz files, subsets, pooled pixels, and what cannot be used."""

import fractions

import numpy as np
import pytest

from vision.data.images import ImageSet, Split, check, read_split, write_split
from workload.errors import ConfigError


def split(count, side=8, seed=0, classes=3):
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return Split(images, random.integers(0, classes, count))


def test_npz_round_trip(tmp_path):
    before = split(5)
    write_split(tmp_path / "train.npz", before)
    after = read_split(tmp_path / "train.npz")
    np.testing.assert_array_equal(after.images, before.images)
    np.testing.assert_array_equal(after.labels, before.labels)


def test_pooled_pixels_are_exact_means_rounded_half_to_even():
    before = split(3, side=6)
    after = before.pooled(3).images
    for n, y, x, c in np.ndindex(3, 2, 2, 3):
        block = before.images[n, 3 * y : 3 * y + 3, 3 * x : 3 * x + 3, c]
        assert after[n, y, x, c] == round(fractions.Fraction(int(block.sum()), 9))
    halves = Split(np.array([[[[1] * 3, [2] * 3], [[2] * 3, [1] * 3]]], np.uint8), np.zeros(1, int))
    assert halves.pooled(2).images.tolist() == [[[[2, 2, 2]]]]  # 1.5 is between 1 and 2


def test_subsets_are_nested_in_order_and_fixed():
    whole = Split(np.zeros((500, 2, 2, 3), np.uint8), np.arange(500))
    small, large = whole.subset(50).labels.tolist(), whole.subset(200).labels.tolist()
    assert set(small) < set(large)
    assert small == sorted(small)
    assert len(set(large)) == 200
    assert 200 < np.mean(large) < 300  # from all over, not the first
    assert whole.subset(500).labels.tolist() == list(range(500))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": np.zeros(2, int)}, "has no array .*images"),
        ({"images": np.zeros((2, 4, 4, 3)), "labels": np.zeros(2, int)}, "images are float64"),
        (
            {"images": np.zeros((2, 3, 4, 4), np.uint8), "labels": np.zeros(2, int)},
            r"must be uint8 \[N, H, W, 3\]",
        ),
        (
            {"images": np.zeros((2, 4, 4, 3), np.uint8), "labels": np.zeros(3, int)},
            r"one per image: \[2\]",
        ),
        ({"images": np.zeros((2, 4, 4, 3), np.uint8), "labels": np.zeros(2)}, "labels are float64"),
        ({"images": np.array([{}]), "labels": np.zeros(1, int)}, "cannot be read as npz"),
    ],
)
def test_npz_that_cannot_be_used(tmp_path, arrays, message):
    np.savez(tmp_path / "train.npz", **arrays)
    with pytest.raises(ConfigError, match=message):
        read_split(tmp_path / "train.npz")


def test_npz_that_is_none(tmp_path):
    write_split(tmp_path / "train.npz", split(5))
    content = (tmp_path / "train.npz").read_bytes()
    (tmp_path / "train.npz").write_bytes(content[:-50])
    with pytest.raises(ConfigError, match="cannot be read as npz"):
        read_split(tmp_path / "train.npz")


@pytest.mark.parametrize(
    ("train", "test", "classes", "message"),
    [
        (split(3), split(0), 3, "the test split is empty"),
        (split(0), split(3), 3, "the train split is empty"),
        (split(3), split(3, side=4), 3, "test images have 4 x 4 pixels, train images 8 x 8"),
        (split(9), split(9), 2, "the train split has labels from 0 to 2; with 2 classes"),
        (Split(split(1).images, np.array([-1])), split(3), 3, "from -1 to -1"),
        (split(3, classes=1), split(3, classes=1), 1, "there is one class"),
    ],
)
def test_images_that_cannot_be_trained_on(train, test, classes, message):
    with pytest.raises(ConfigError, match=message):
        check(ImageSet(train, test, tuple("abc"[:classes])), "here")
