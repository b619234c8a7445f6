"""A claim of Bjorck et al. as a number of a seed's runs, and what such numbers are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shared_optim.metric import Metric
from vision.metrics import TEST_ACCURACY
from workload.exhibits.record import Record

QUARTER = 0.25
SHUFFLED_LABELS = "none, shuffled"
THAT_RATE = "none, that rate"  # true labels at the learning rate of the shuffled ones
Runs = Mapping[str, Record]
"""The runs of one seed by what decay they had, e.g. `early`."""


@dataclass(frozen=True)
class Statistic:
    """How a claim is turned into a number.

    Attributes:
        needs: the runs of a seed that it takes.
        number: above 0 where the claim holds; None where something was not measured.
        supposes: what the claim takes for granted. Where the mean of that over the seeds is not
            above 0 there is nothing to be judged, and no seed has a number; where no seed has the
            runs for it, it is granted.
    """

    needs: tuple[str, ...]
    number: Callable[[Runs], float | None]
    supposes: Statistic | None = None


def numbers_of(claim: Statistic, seeds: Sequence[Runs]) -> list[float]:
    """A number per seed that has the runs and finite values."""
    if claim.supposes is not None:
        supposed = numbers_of(claim.supposes, seeds)
        if supposed and np.mean(supposed) <= 0:
            return []
    found = []
    for runs in seeds:
        if all(name in runs for name in claim.needs):
            number = claim.number(runs)
            if number is not None and math.isfinite(number):
                found.append(number)
    return found


def last(metric: Metric) -> Callable[[Record], float]:
    """The newest value of evaluations."""

    def value(record: Record) -> float:
        values = record.evaluations[metric.key]
        known = values[np.isfinite(values)]
        return float(known[-1]) if len(known) else math.nan

    return value


def total(metric: Metric) -> Callable[[Record], float]:
    """The sum over the evaluations; nan where none has a value."""

    def value(record: Record) -> float:
        values = record.evaluations[metric.key]
        known = values[np.isfinite(values)]
        return float(known.sum()) if len(known) else math.nan

    return value


def mean(metric: Metric, *, begin: float = 0.0) -> Callable[[Record], float]:
    """The mean over the rows of training from a share of the run on."""

    def value(record: Record) -> float:
        values = record.metrics[metric.key]
        values = values[np.isfinite(values)]
        chosen = values[int(begin * len(values)) :]
        return float(chosen.mean()) if len(chosen) else math.nan

    return value


accuracy = last(TEST_ACCURACY)
WORTH = Statistic(
    ("none", "always"),
    lambda runs: accuracy(runs["always"]) - accuracy(runs["none"]),
)
"""What decay always is worth."""
