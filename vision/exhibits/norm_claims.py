"""Bjorck et al.'s claims of norms: how they grow and shrink, under true and under shuffled labels,
and which gradients move them."""

import math
from collections.abc import Callable

import numpy as np

from shared_optim.schedules import parse_schedule
from vision.exhibits.statistic import (
    QUARTER,
    SHUFFLED_LABELS,
    THAT_RATE,
    Runs,
    Statistic,
    last,
    mean,
    total,
)
from vision.metrics import (
    COS_NEG,
    COS_POS,
    CROSS,
    DISTANCE,
    GRADIENT_NORM,
    SQUARE,
    WEIGHT_NORM,
)
from workload.exhibits.record import Record

EARLY_PART = 0.25  # of all epochs, in which norms are to grow most
SOON = 0.1  # of all epochs, in which late decay is not to have shrunk the norm
MAGNITUDE = math.log(10)
Value = Callable[[Record], float]
"""A number of a run."""

_TWO = ("none", SHUFFLED_LABELS)
_AT_ONE_RATE = (THAT_RATE, SHUFFLED_LABELS)
_norm, _distance = last(WEIGHT_NORM), last(DISTANCE)
_squares, _crosses = total(SQUARE), total(CROSS)
_positive, _negative = mean(COS_POS), mean(COS_NEG)
_gradient, _late_gradient = mean(GRADIENT_NORM), mean(GRADIENT_NORM, begin=0.5)


def _added(record: Record) -> float:
    """What the steps of all epochs have added to |w|^2."""
    return _squares(record) + _crosses(record)


def _first_norm(record: Record) -> float:
    """|w_0| of a run without decay, whose steps alone have changed the norm."""
    return math.sqrt(max(_norm(record) ** 2 - _added(record), 0.0))


def _growth(record: Record) -> float:
    """What |w| of a run without decay has grown by."""
    return _norm(record) - _first_norm(record)


def _norm_at(record: Record, epoch: float, first: float = math.nan) -> float:
    """|w| after so many epochs, on the line between those that are known; nan beyond them.

    Args:
        record: the run.
        epoch: which; also between two.
        first: |w_0|, where that is known.
    """
    rows = record.evaluations
    epochs = np.append(0.0, rows[record.epoch_key])
    norms = np.append(first, rows[WEIGHT_NORM.key])
    known = np.isfinite(epochs) & np.isfinite(norms)
    if not known.any():
        return math.nan
    return float(np.interp(epoch, epochs[known], norms[known], left=math.nan, right=math.nan))


def _grown_early(record: Record) -> float:
    """What |w| of a run without decay has grown by in the first part of its epochs."""
    first = _first_norm(record)
    return _norm_at(record, EARLY_PART * record.compared_length, first) - first


def _late_excess(runs: Runs, part: float = 0.0) -> float:
    """By which share |w| of late decay is above that of always, so large a part of all epochs after
    late decay began."""
    late, always = runs["late"], runs["always"]
    schedule = parse_schedule(str(late.values["decay_schedule"]))
    began = float(schedule.steps)
    if schedule.unit == "updates":
        steps, epochs = late.evaluations[late.step], late.evaluations[late.epoch_key]
        began = float(np.interp(began, np.append(0.0, steps), np.append(0.0, epochs)))
    epoch = began + part * late.compared_length
    return _norm_at(late, epoch) / _norm_at(always, epoch) - 1


def _lowest_lead(runs: Runs) -> float:
    """The least share by which |w| of early decay is below that of none, from a quarter of all
    epochs on."""
    early, none = runs["early"], runs["none"]
    rows = early.evaluations
    epochs = rows[early.epoch_key][np.isfinite(rows[WEIGHT_NORM.key])]
    late = [float(epoch) for epoch in epochs if epoch >= EARLY_PART * early.compared_length]
    return min((1 - _norm_at(early, e) / _norm_at(none, e) for e in late), default=math.nan)


def _same_order(runs: Runs) -> float | None:
    """ln 10, less how far ln of the ratio of the mean gradients is from 0."""
    shuffled, true = _gradient(runs[SHUFFLED_LABELS]), _gradient(runs["none"])
    if not (shuffled > 0 and true > 0):
        return None
    return MAGNITUDE - abs(math.log(shuffled / true))


def _of(value: Value, name: str = "none") -> Statistic:
    """A number of one run."""
    return Statistic((name,), lambda runs: value(runs[name]))


def _less(value: Value, needs: tuple[str, str]) -> Statistic:
    """A number of the first run, less that of the second."""
    first, second = needs
    return Statistic(needs, lambda runs: value(runs[first]) - value(runs[second]))


STATISTICS = {
    "early-smaller-norm": Statistic(
        ("none", "early"),
        lambda runs: 1 - _norm(runs["early"]) / _norm(runs["none"]),
    ),
    "early-norm-low-throughout": Statistic(
        ("none", "early"),
        _lowest_lead,
    ),
    "norms-grow-early": Statistic(
        ("none",),
        lambda runs: _grown_early(runs["none"]) - _growth(runs["none"]) / 2,
        supposes=_of(_growth),
    ),
    "late-norm-shrinks-slowly": Statistic(
        ("always", "late"),
        lambda runs: _late_excess(runs, SOON) - _late_excess(runs) / 2,
        supposes=Statistic(("always", "late"), _late_excess),
    ),
    "cross-outweighs-square": _of(lambda record: _crosses(record) - _squares(record)),
    "shuffled-grow-less": _less(_added, _TWO),
    "shuffled-grow-less-one-rate": _less(_added, _AT_ONE_RATE),
    "shuffled-norm-constant": Statistic(
        _TWO,
        lambda runs: QUARTER * _growth(runs["none"]) - abs(_growth(runs[SHUFFLED_LABELS])),
        supposes=_of(_growth),
    ),
    "shuffled-move-far": _of(
        lambda record: QUARTER * _distance(record) - abs(_growth(record)),
        SHUFFLED_LABELS,
    ),
    "positive-half-grows": _of(_positive),
    "negative-half-shrinks": _of(lambda record: -_negative(record)),
    "positive-half-less-shuffled": _less(_positive, _TWO),
    "positive-half-less-shuffled-one-rate": _less(_positive, _AT_ONE_RATE),
    "positive-half-barely-radial": Statistic(
        _TWO,
        lambda runs: QUARTER * _positive(runs["none"]) - abs(_positive(runs[SHUFFLED_LABELS])),
    ),
    "negative-half-shuffled": _of(lambda record: -_negative(record), SHUFFLED_LABELS),
    "shuffled-larger-gradients": _less(_late_gradient, _TWO[::-1]),
    "shuffled-larger-gradients-one-rate": _less(_late_gradient, _AT_ONE_RATE[::-1]),
    "shuffled-gradients-same-order": Statistic(_TWO, _same_order),
}
