"""What a run takes, against counts by hand and what a training holds."""

import pytest

from tests.vision.runs import CPU, prepared, recipe
from vision.config import Recipe
from vision.cost import LOOKED_AT, training_memory, training_seconds
from vision.image_data import ImageData
from vision.measures.look import IMAGES


def looks_by_hand(epochs, every, first=0):
    """As the recorder decides it: every so many epochs, and after the last one."""
    return sum(e % every == 0 or e == epochs for e in range(first + 1, epochs + 1))


@pytest.mark.parametrize("every", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("first", [0, 2, 3])
@pytest.mark.parametrize("count", [200, 5_000])
def test_a_look_is_as_training_on_a_hundred_times_its_images(every, first, count):
    branch = f"l2-1e-2@{first}" if first else ""
    images = count, (16, 16)
    plain = Recipe(epochs=7, branch=branch)
    looking = Recipe(epochs=7, branch=branch, sharpness_every=every)
    an_image = training_seconds(plain, images) / ((7 - first) * count)
    more = training_seconds(looking, images) - training_seconds(plain, images)
    looks = looks_by_hand(7, every, first)
    assert more == pytest.approx(looks * 100 * min(count, 1_000) * an_image)
    assert LOOKED_AT == IMAGES


def test_memory_holds_the_images_and_their_padded_copy(tmp_path):
    """The bytes that training has on the device, and those that were read."""
    own = recipe(crop=2)
    data = ImageData(own, prepared(tmp_path), 0, CPU)
    images = len(data.train), data.train.side
    more = training_memory(own, images) - training_memory(own)
    padded = data.train.pixels
    assert more == padded.nbytes + padded[:, 2:-2, 2:-2].nbytes
    bare, alone = Recipe(crop=0, subset=100), Recipe(crop=0, subset=200)
    assert training_memory(alone) - training_memory(bare) == 100 * 2 * 32 * 32 * 3
