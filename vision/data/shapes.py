"""`shapes`: small coloured drawings made by code, so that everything runs with nothing fetched.

Ten classes that a small network does not learn perfectly: stars, polygons, discs and their rims,
turned as chance has it, lighter than their ground, with a stroke across and noise on top.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.data.images import ImageSet, Split

SIDE = 16
TRAIN, TEST = 10_000, 4_000
VERSION = 1
"""Of the drawings: a change in what is drawn makes prepared ones anew."""

Array = NDArray[np.floating[Any]]

# name: points, radius of the dents over that of the points, radius of the hole likewise
FORMS = {
    "disc": (0, 1.0, 0.0),
    "ring": (0, 1.0, 0.6),
    "triangle": (3, 0.5, 0.0),
    "rim3": (3, 0.5, 0.5),
    "star3": (3, 0.25, 0.0),
    "square": (4, np.sqrt(0.5), 0.0),
    "rim4": (4, np.sqrt(0.5), 0.6),
    "star4": (4, 0.4, 0.0),
    "pentagon": (5, np.cos(np.pi / 5), 0.0),
    "star5": (5, 0.45, 0.0),
}
CLASSES = tuple(FORMS)


def shapes(seed: int = 0) -> ImageSet:
    """TRAIN and TEST drawings of 16 x 16 pixels; the same for the same seed."""
    return ImageSet(draw(TRAIN, seed, 0), draw(TEST, seed, 1), CLASSES)


def draw(count: int, seed: int, stream: int) -> Split:
    """`count` drawings; the classes take turns.

    Args:
        count: how many.
        seed, stream: whose random numbers are used: others for every pair.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(stream,))
    random = np.random.Generator(np.random.Philox(sequence))
    labels = np.arange(count) % len(CLASSES)
    parts = [
        _draw(labels[start : start + 1000], random)  # a part at a time, for the memory it takes
        for start in range(0, count, 1000)
    ]
    return Split(np.concatenate(parts), labels.astype(np.int64))


def _draw(labels: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.uint8]:
    n = len(labels)

    def uniform(low: float, high: float, *more: int) -> Array:
        return random.uniform(low, high, (n, 1, 1, *more))

    grid: Array = np.arange(SIDE) + 0.5
    y, x = grid[None, :, None], grid[None, None, :]
    ground = uniform(30, 130, 3) + _gradient(x, y, uniform(0, 2 * np.pi))[..., None] * uniform(
        -40, 40, 3
    )
    colour = ground + _contrast(random, n)
    size = uniform(4.5, 7.0)
    dx, dy = x - uniform(6.5, 9.5), y - uniform(6.5, 9.5)
    cover = _form(labels, np.hypot(dx, dy), np.arctan2(dy, dx) + uniform(0, 2 * np.pi), size)
    image = ground + cover[..., None] * (colour - ground)
    stroke = _stroke(x, y, uniform(0, np.pi), uniform(-5, 5), uniform(0.3, 0.8))
    image += stroke[..., None] * (uniform(0, 255, 3) - image)
    image += random.normal(0, 10, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _contrast(random: np.random.Generator, n: int) -> Array:
    """Steps from the colour of a ground to a lighter one, [n, 1, 1, 3]; some are hard to see."""
    direction = np.abs(random.normal(size=(n, 1, 1, 3)))
    length = random.uniform(60, 170, (n, 1, 1, 1))
    steps: Array = length * direction / np.linalg.norm(direction, axis=-1, keepdims=True)
    return steps


def _form(labels: NDArray[np.int64], radius: Array, angle: Array, size: Array) -> Array:
    """How much of each pixel a form covers, [n, SIDE, SIDE] from 0 to 1.

    Its edge is straight between a point, at distance 1, and the dent next to it, at q. With
    a = pi/points the angle between them and t that from the point, its distance is
    q sin a / (sin t + q sin(a - t)).
    """
    points, dent, hole = (
        np.array(column)[labels][:, None, None] for column in zip(*FORMS.values(), strict=True)
    )
    a = np.pi / np.maximum(points, 1)
    t = np.abs((angle + a) % (2 * a) - a)  # from the nearest point, at most a
    straight = dent * np.sin(a) / (np.sin(t) + dent * np.sin(a - t))
    edge = np.where(points > 0, straight, 1.0)
    outside = np.clip(size * edge - radius + 0.5, 0, 1)
    inside = np.clip(size * hole * edge - radius + 0.5, 0, 1)
    return np.asarray(outside - np.where(hole > 0, inside, 0.0))


def _gradient(x: Array, y: Array, angle: Array) -> Array:
    """From -1 to 1 across the picture, in the direction of an angle."""
    return np.asarray(((x - SIDE / 2) * np.cos(angle) + (y - SIDE / 2) * np.sin(angle)) * 2 / SIDE)


def _stroke(x: Array, y: Array, angle: Array, offset: Array, width: Array) -> Array:
    """How much of each pixel a line across the picture covers."""
    across = (x - SIDE / 2) * np.sin(angle) - (y - SIDE / 2) * np.cos(angle) - offset
    return np.asarray(np.clip(width - np.abs(across) + 0.5, 0, 1))
