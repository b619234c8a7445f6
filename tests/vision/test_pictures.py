"""Sizes and numbers of images against what torch does with them."""

import pytest
import torch

from vision.config import Recipe
from vision.models.catalog import HALVINGS, build
from vision.pictures import check_pictures
from workload.errors import ConfigError


def recipe(model, **changes):
    return Recipe(**({"model": model, "width": 4, "batch_size": 64, "crop": 1} | changes))


@pytest.mark.parametrize("model", HALVINGS)
@pytest.mark.parametrize("factor", [1, 2])
def test_a_last_batch_of_one_image_is_refused_where_torch_fails(model, factor):
    """At the smallest pictures that a network takes, and at twice their side."""
    side = factor * 2 ** HALVINGS[model]
    network = build(model, 10, "batch", 4).train()
    try:
        network(torch.zeros(1, 3, side, side))
        fails = False
    except ValueError:  # "Expected more than 1 value per channel when training"
        fails = True
    if fails:
        with pytest.raises(ConfigError, match="batch_size: the last batch of 65 images has a sing"):
            check_pictures(recipe(model), 65, (side, side))
    else:
        check_pictures(recipe(model), 65, (side, side))
    check_pictures(recipe(model), 66, (side, side))
    check_pictures(recipe(model, norm="none"), 65, (side, side))


def test_batches_of_one_are_always_single():
    with pytest.raises(ConfigError, match="batch_size: the last batch of 66 images"):
        check_pictures(recipe("resnet8", batch_size=1), 66, (4, 4))


@pytest.mark.parametrize("side", [(0, 0), (6, 8), (8, 6)])
def test_pictures_that_cannot_be_halved(side):
    with pytest.raises(ConfigError, match=r"resnet8 halves .* must be multiples of 4"):
        check_pictures(recipe("resnet8"), 64, side)


def test_crops_keep_a_pixel():
    check_pictures(recipe("resnet8", crop=7), 64, (8, 16))
    with pytest.raises(ConfigError, match="crop: shifted by 8 pixels nothing is left"):
        check_pictures(recipe("resnet8", crop=8), 64, (8, 16))
