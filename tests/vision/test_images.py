"""Crops and mirrored images against plain loops."""

import numpy as np
import pytest
import torch

from vision.data.images import Split
from vision.data.prepared import Prepared
from vision.images import DeviceImages, shuffled
from workload import counter

MEAN, STD = (100.0, 110.0, 120.0), (50.0, 60.0, 70.0)


def images(count, side=(6, 5), pad=2, seed=0):
    random = np.random.default_rng(seed)
    split = Split(random.integers(0, 256, (count, *side, 3), dtype=np.uint8), np.arange(count) % 4)
    prepared = Prepared(None, ("a",) * 4, side, count, count, MEAN, STD)
    return split, DeviceImages.of(split, prepared, pad, torch.device("cpu"))


def plain(image, top, left, mirror, pad):
    """[3, H, W] of one image: black around it, a window cut out, mirrored, normalised."""
    height, width, _ = image.shape
    padded = np.zeros((height + 2 * pad, width + 2 * pad, 3))
    padded[pad : pad + height, pad : pad + width] = image
    window = padded[top : top + height, left : left + width]
    if mirror:
        window = window[:, ::-1]
    return ((window - MEAN) / STD).transpose(2, 0, 1)


def test_middle_is_the_image():
    split, device = images(7)
    places = torch.tensor([3, 0, 6])
    wanted = np.stack([plain(split.images[i], 2, 2, False, 2) for i in places])
    torch.testing.assert_close(device.middle(places).double(), torch.from_numpy(wanted), rtol=1e-6,
                               atol=1e-6)  # fmt: skip
    assert device.side == (6, 5)


@pytest.mark.parametrize("flip", [True, False])
def test_augmented_against_loops(flip):
    """What each image gets is read off its own random bits."""
    split, device = images(200)
    stream = counter.stream(5, counter.AUGMENTATION, 3)
    places = torch.randperm(200)[:64]
    numbers = counter.bits(stream, places)
    tops, lefts = counter.below(numbers, 0, 5), counter.below(numbers, 20, 5)
    wanted = np.stack(
        [
            plain(split.images[i], top, left, flip and number < 0, 2)
            for i, top, left, number in zip(places, tops, lefts, numbers, strict=True)
        ]
    )
    found = device.augmented(places, stream, flip=flip)
    assert found.shape == (64, 3, 6, 5)
    torch.testing.assert_close(found.double(), torch.from_numpy(wanted), rtol=1e-6, atol=1e-6)
    assert set(tops.tolist()) == set(lefts.tolist()) == set(range(5))


def test_an_image_is_cropped_alike_in_every_batch():
    _, device = images(50)
    stream = counter.stream(1, counter.AUGMENTATION, 0)
    whole = device.augmented(torch.arange(50), stream, flip=True)
    part = device.augmented(torch.tensor([40, 7]), stream, flip=True)
    torch.testing.assert_close(part, whole[[40, 7]], rtol=0, atol=0)
    other = device.augmented(
        torch.arange(50), counter.stream(1, counter.AUGMENTATION, 1), flip=True
    )
    same = (other == whole).all((1, 2, 3)).sum()
    assert same < 10  # of 50; one in 50 choices is to be expected


def test_nothing_to_crop_and_nothing_to_mirror():
    _, device = images(20, pad=0)
    places = torch.arange(20)
    torch.testing.assert_close(
        device.augmented(places, 1, flip=False), device.middle(places), rtol=0, atol=0
    )


def test_shuffled_labels_keep_their_counts():
    labels = torch.arange(1000) % 10
    first, again, other = shuffled(labels, 0), shuffled(labels, 0), shuffled(labels, 1)
    assert torch.equal(first, again)
    assert torch.equal(first.bincount(), labels.bincount())
    assert 50 < int((first == labels).sum()) < 150  # chance: 100
    assert int((first == other).sum()) < 150


def test_images_that_are_looked_at_are_of_all_classes():
    """They lie class by class, as in a folder of folders."""
    labels = torch.arange(40).repeat_interleave(50)
    images = DeviceImages(
        torch.zeros(2000, 2, 2, 3, dtype=torch.uint8), labels, 0, torch.zeros(3), torch.ones(3)
    )
    places = images.sample(400)
    assert len(places) == len(set(places.tolist())) == 400
    assert torch.equal(places[:100], images.sample(100))
    assert len(labels[places].unique()) == 40  # each is missed with a chance of 4e-5
    assert len(images.sample(10**6)) == 2000
