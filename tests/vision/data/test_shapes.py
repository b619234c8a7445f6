"""Drawings made by code: the same everywhere, no two alike, and of the forms they say."""

import hashlib

import numpy as np

from vision.data import shapes
from vision.data.shapes import CLASSES, FORMS, SIDE, draw

GOLDEN = "ef3401f959bf9da85893da55b2b3a01a4530bddad9f364dd8c642146c08de822"


def test_they_are_what_they_were():
    """Runs on them are compared over years: a change must be a new VERSION and a new digest."""
    digest = hashlib.sha256(draw(2000, 0, 0).images.tobytes()).hexdigest()
    assert (shapes.VERSION, digest) == (1, GOLDEN)


def test_others_for_another_seed_or_split():
    first, second, third = draw(20, 0, 0), draw(20, 1, 0), draw(20, 0, 1)
    assert not (first.images == second.images).all((1, 2, 3)).any()
    assert not (first.images == third.images).all((1, 2, 3)).any()
    assert first.labels.tolist() == [*range(10), *range(10)]


def test_covered_area_is_that_of_the_form():
    """Areas from textbooks: a disc, its ring, the regular polygon and the star with n points,
    n * q * sin(pi/n), each in squares of the distance of its points."""
    size = 6.0
    grid = np.arange(SIDE) + 0.5 - SIDE / 2
    dy, dx = grid[None, :, None], grid[None, None, :]
    for number, (points, dent, hole) in enumerate(FORMS.values()):
        area = np.pi if points == 0 else points * dent * np.sin(np.pi / points)
        wanted = size**2 * area * (1 - hole**2)
        covered = np.mean(
            [
                shapes._form(
                    np.array([number]),
                    np.hypot(dx, dy),
                    np.arctan2(dy, dx) + turn,
                    np.array(size).reshape(1, 1, 1),
                ).sum()
                for turn in np.linspace(0, 2 * np.pi, 40)
            ]
        )
        assert abs(covered / wanted - 1) < 0.06, CLASSES[number]
