"""Whether a recipe fits the size and the number of its images. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vision.models.catalog import HALVINGS, halvings_before_norm
from workload.errors import ConfigError

if TYPE_CHECKING:
    from vision.config import Recipe


def check_pictures(recipe: Recipe, count: int, side: tuple[int, int]) -> None:
    """Raise ConfigError where the network cannot be trained on such images.

    Args:
        recipe: model, norm, crops and batches.
        count: training images.
        side: their height and width.
    """
    height, width = side
    halvings = HALVINGS[recipe.model]
    if any(each % 2**halvings for each in side) or 0 in side:
        raise ConfigError(
            f"model: {recipe.model} halves {height} x {width} pixels {halvings} times; height and "
            f"width must be multiples of {2**halvings}"
        )
    if recipe.crop >= min(side):
        raise ConfigError(
            f"crop: shifted by {recipe.crop} pixels nothing is left of pictures of {height} x "
            f"{width}; choose less than {min(side)}"
        )
    alone = count % recipe.batch_size == 1 or recipe.batch_size == 1
    smallest = 2 ** halvings_before_norm(recipe.model)
    if recipe.norm == "batch" and alone and height == width == smallest:
        raise ConfigError(
            f"batch_size: the last batch of {count:,} images has a single one, and {recipe.model} "
            f"makes one pixel of its {height} x {width}, of which batch normalisation has no "
            "variance; choose another --batch-size or --subset, or a smaller --pool"
        )
