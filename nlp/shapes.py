"""The few shapes to which the batches of a corpus are padded, so that each is met often."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST = 48
"""Shapes at most. What padding costs on the 1,101 batches of IWSLT'14 (4,096 tokens), over the
positions sentences * (source + target) that fairseq's batches have, and rows of the output layer
over target tokens:

| rule | shapes | met once | positions | rows |
|---|---|---|---|---|
| none | 821 | 633 | 1.00 | 1.05 |
| each size up to a multiple of 8 | 162 | 54 | 1.14 | 1.19 |
| each size up to a multiple of 16 | 77 | 14 | 1.33 | 1.39 |
| each octave in 4, lengths in 2 steps | 62 | 9 | 1.27 | 1.33 |
| chosen from the batches, at most 64 | 64 | 0 | 1.06 | 1.08 |
| chosen from the batches, at most 48 | 48 | 0 | 1.08 | 1.10 |
| chosen from the batches, at most 32 | 32 | 0 | 1.10 | 1.11 |
"""
_ROWS = 64  # the step in which rows are counted while shapes are chosen
_ROW = 0.25  # cost of a row of the output layer, in positions of a layer stack of a dozen layers
_DISTINCT = 1_500  # shapes compared pair by pair


class Shape(NamedTuple):
    """Sizes of a batch: `sentences`, their lengths `source` and `target`, and `rows`, the target
    positions of which logits are computed."""

    sentences: int
    source: int
    target: int
    rows: int

    @property
    def positions(self) -> int:
        return self.sentences * (self.source + self.target)

    @property
    def cost(self) -> float:
        """About how long a batch takes, in positions."""
        return self.positions + _ROW * self.rows

    def holds(self, other: "Shape") -> bool:
        return all(ours >= its for ours, its in zip(self, other, strict=True))


class Shapes:
    """At most `most` shapes, of which every batch given has one that holds it.

    They are chosen by joining, again and again, the two whose batches need the fewest positions
    more when they share one.

    Args:
        batches: the shapes of all batches, those that are the same as often as they occur.
        most: how many shapes there may be.
    """

    def __init__(self, batches: Iterable[Shape], most: int = MOST) -> None:
        counts = Counter(batches)
        step = 1
        while len(rounded := _rounded(counts, step)) > _DISTINCT:
            step *= 2
        self.all = [Shape(*sizes) for sizes in _joined(rounded, most)]
        self._found: dict[Shape, Shape] = {}

    def of(self, batch: Shape) -> Shape:
        """The cheapest shape that holds a batch. Raises ValueError where there is none."""
        if batch not in self._found:
            fitting = [shape for shape in self.all if shape.holds(batch)]
            if not fitting:
                raise ValueError(f"{batch} is larger than every batch of the epoch: {self.all}")
            self._found[batch] = min(fitting, key=lambda shape: shape.cost)
        return self._found[batch]


def _rounded(counts: Counter[Shape], step: int) -> Counter[tuple[int, ...]]:
    """Lengths up to a multiple of `step`, but no longer than the longest; rows to one of _ROWS."""
    longest = np.max([tuple(shape) for shape in counts], axis=0)
    rounded: Counter[tuple[int, ...]] = Counter()
    for shape, count in counts.items():
        source = min(_up(shape.source, step), int(longest[1]))
        target = min(_up(shape.target, step), int(longest[2]))
        rows = min(_up(shape.rows, _ROWS), shape.sentences * target)
        rounded[shape.sentences, source, target, rows] += count
    return rounded


def _up(size: int, step: int) -> int:
    return -(-size // step) * step


def _joined(counts: Counter[tuple[int, ...]], most: int) -> list[Sequence[int]]:
    sizes = np.array(list(counts), dtype=np.int64)
    number = np.array(list(counts.values()), dtype=np.int64)
    more = _more(sizes, number, sizes[:, None], number[:, None])
    np.fill_diagonal(more, np.inf)
    kept = np.ones(len(sizes), dtype=bool)
    for _ in range(len(sizes) - most):
        one, other = np.unravel_index(more.argmin(), more.shape)
        sizes[one] = np.maximum(sizes[one], sizes[other])
        number[one] += number[other]
        kept[other] = False
        row = _more(sizes, number, sizes[one], number[one])
        row[~kept] = row[one] = np.inf
        more[one] = more[:, one] = row
        more[other] = more[:, other] = np.inf
    chosen: list[Sequence[int]] = sizes[kept].tolist()
    return chosen


def _more(
    sizes: NDArray[np.int64],
    number: NDArray[np.int64],
    others: NDArray[np.int64],
    of_others: NDArray[np.int64],
) -> NDArray[np.float64]:
    """What it costs more that batches of two sizes share the larger of each."""
    joined = _cost(np.maximum(sizes, others)) * (number + of_others)
    return joined - _cost(sizes) * number - _cost(others) * of_others


def _cost(sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    sentences, source, target, rows = np.moveaxis(sizes, -1, 0)
    cost: NDArray[np.float64] = sentences * (source + target) + _ROW * rows
    return cost
