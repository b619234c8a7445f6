"""Which parameters a network has, by what an agent sees. Imports no torch."""

import math
from typing import Literal

from rl.memory import ATARI, ObservationSpec, is_image

Padding = Literal["same", "valid"]

HIDDEN = 512
"""Units behind the convolutions."""
CONVOLUTIONS = (("conv1", 32, 8, 4), ("conv2", 64, 4, 2), ("conv3", 64, 3, 1))
"""Name, filters, kernel, stride."""
VECTOR_LAYERS = (("hidden1", 256), ("hidden2", 256))
"""Name and units of the layers for vectors."""


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """What SAME adds before and behind `size` pixels: TensorFlow's ceil(size / stride) results,
    with the odd pixel behind."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def flattened(height: int, width: int, padding: Padding) -> int:
    """Numbers that the convolutions make of an image."""
    sides = []
    for size in (height, width):
        for _, _, kernel, stride in CONVOLUTIONS:
            added = sum(same_padding(size, kernel, stride)) if padding == "same" else 0
            size = (size + added - kernel) // stride + 1
        sides.append(size)
    return math.prod(sides) * CONVOLUTIONS[-1][1]


def shapes(
    actions: int, padding: Padding, shows: ObservationSpec = ATARI
) -> dict[str, tuple[int, ...]]:
    """The parameters of one member: name to shape, in the order of the forward pass.

    Args:
        actions: how many there are.
        padding: of the convolutions.
        shows: images have convolutions and one hidden layer, vectors two hidden layers.
    """
    result: dict[str, tuple[int, ...]] = {}
    dense: tuple[tuple[str, int], ...] = VECTOR_LAYERS
    inputs = shows.stack * shows.size
    if is_image(shows):
        channels = shows.stack * math.prod(shows.shape[:-2])
        for name, filters, kernel, _ in CONVOLUTIONS:
            result[f"{name}.weight"] = (filters, channels, kernel, kernel)
            result[f"{name}.bias"] = (filters,)
            channels = filters
        dense = (("hidden", HIDDEN),)
        inputs = flattened(shows.shape[-2], shows.shape[-1], padding)
    for name, units in (*dense, ("output", actions)):
        result[f"{name}.weight"] = (units, inputs)
        result[f"{name}.bias"] = (units,)
        inputs = units
    return result
