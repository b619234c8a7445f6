"""Curves of several seeds on one x axis."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workload.exhibits.record import Record

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """x: [points]; y: [seeds, points], nan where a seed has no value. Every point has some."""

    x: Values
    y: Values


def by_round(records: Sequence[Record], key: str, x: str) -> Curves | None:
    """Values of evaluation rows, put together by the number of the iteration or epoch.

    Seeds end an iteration a few steps apart; x is the mean over those that have it. None where
    there is no value.
    """
    found: dict[float, list[tuple[int, float, float]]] = {}
    for seed, record in enumerate(records):
        rows = record.evaluations
        kept = np.isfinite(rows[key])
        rounds = rows[record.epoch_key][kept]
        for number, at, value in zip(rounds, rows[x][kept], rows[key][kept], strict=True):
            found.setdefault(float(number), []).append((seed, float(at), float(value)))
    if not found:
        return None
    numbers = sorted(found)
    steps = np.array([np.mean([at for _, at, _ in found[number]]) for number in numbers])
    y = np.full((len(records), len(numbers)), np.nan)
    for column, number in enumerate(numbers):
        for seed, _, value in found[number]:
            y[seed, column] = value
    return Curves(steps, y)


def by_step(records: Sequence[Record], key: str) -> Curves | None:
    """Values of metrics rows, each seed interpolated to the steps of the one with most rows.

    Nothing is drawn beyond a seed's own rows. None where there is no value.
    """
    pairs = []
    for record in records:
        steps, values = record.metrics[record.step], record.metrics[key]
        kept = np.isfinite(values)
        pairs.append((steps[kept], values[kept]))
    grid = max((steps for steps, _ in pairs), key=len)
    if not len(grid):
        return None
    near = np.diff(grid).max() if len(grid) > 1 else np.inf
    y = np.full((len(pairs), len(grid)), np.nan)
    for seed, (steps, values) in enumerate(pairs):
        if len(steps):
            known = (grid > steps[0] - near) & (grid < steps[-1] + near) | np.isin(grid, steps)
            y[seed, known] = np.interp(grid[known], steps, values)
    return Curves(grid, y)
