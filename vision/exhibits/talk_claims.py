"""What Andriushchenko et al. claim of plain SGD, each as a number per seed that is above 0 where
the claim holds."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from shared_optim.schemes import BASELINE
from vision.exhibits.statistic import QUARTER, accuracy, last
from vision.metrics import (
    AVERAGED_ACCURACY,
    FIT_ACCURACY,
    TEST_ACCURACY,
    TRAIN_ACCURACY,
    TRAIN_LOSS,
    WEIGHT_NORM,
)
from vision.sharpness_file import final_sharpness
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record

FITS = 99.0  # percent of the training images, which is called no training error
ByRate = Mapping[float, float]
"""A number of a seed's runs by learning rate."""
BySeed = Mapping[int, ByRate]
Number = Callable[[Record], float | None]
_norm = last(WEIGHT_NORM)


def is_plain_sgd(record: Record) -> bool:
    """Whether it is of SGD without momentum."""
    return record.values["optimizer"] == "sgd" and not record.values["momentum"]


def _is_usual(record: Record) -> bool:
    """Whether it has its true labels, decay always if any, and no norms of others."""
    values = record.values
    return (
        values["labels"] == "true"
        and values["decay_schedule"] == "always"
        and not values["match_norms"]
    )


def talk_numbers(grid: RecordGrid, task: str) -> dict[str, list[float]]:
    """By the claim's id, of runs of plain SGD that have finished."""
    finished = [
        record
        for row in grid.rows_of(task)
        for record in grid.at(row, task)
        if record.scores and is_plain_sgd(record) and _is_usual(record)
    ]
    branches = [record for record in finished if record.values.get("branch")]
    whole = [record for record in finished if not record.values.get("branch")]
    spheres = [record for record in whole if record.values.get("sphere")]
    usual = [record for record in whole if not record.values.get("sphere")]
    plain = [record for record in usual if record.values["norm"] == "none"]
    normalised = [record for record in usual if record.values["norm"] != "none"]
    return {
        **_large_steps(plain),
        **_stabilisation(_of_one_decay(normalised)),
        **_on_the_sphere(spheres),
        **_traces(branches),
    }


def _large_steps(records: Sequence[Record]) -> dict[str, list[float]]:
    """T1: what decay gains over none, by rate."""
    none = _by_seed((r for r in records if r.member.scheme == BASELINE), accuracy)
    decayed = _by_seed(_of_one_decay(records), accuracy)
    gains = [
        {rate: mine[rate] - none[seed][rate] for rate in none[seed].keys() & mine.keys()}
        for seed, mine in decayed.items()
        if seed in none
    ]
    several = [gain for gain in gains if len(gain) > 1]
    return {
        "decay-helps-large-steps": [gain[max(gain)] for gain in gains if gain],
        "decay-needs-large-steps": [gain[max(gain)] - gain[min(gain)] for gain in several],
        "decay-not-alone": [-gain[min(gain)] for gain in several],
    }


def _stabilisation(records: Sequence[Record]) -> dict[str, list[float]]:
    """T2: of runs with decay and normalisation, before and after the rate falls."""
    averaged, settled = (_by_seed(records, number) for number in (_averaged, _settled))
    levels, norms = (_by_seed(records, number) for number in (_level, _norm))
    errors = _by_seed(records, lambda record: 100 - accuracy(record))
    errors_apart, norms_apart = _apart(errors), _apart(norms)
    return {
        "averaged-nearly-dropped": _mean_over_rates(averaged),
        "loss-stabilises": _mean_over_rates(settled),
        "loss-level-rises-with-rate": [
            own[max(own)] - own[min(own)] for own in levels.values() if len(own) > 1
        ],
        "norm-not-predictive": [
            apart - norms_apart[seed] for seed, apart in errors_apart.items() if seed in norms_apart
        ],
    }


def _on_the_sphere(records: Sequence[Record]) -> dict[str, list[float]]:
    """T3: of runs on the unit sphere, by rate."""
    tested, fitted = (_by_seed(records, number) for number in (accuracy, _fit))
    fits = {
        seed: min(own.values()) - FITS
        for seed, own in fitted.items()
        if own.keys() == tested[seed].keys()
    }
    # where some rate does not fit, the U may be one of training that is not done
    fitting = {seed: own for seed, own in tested.items() if fits.get(seed, -1.0) >= 0}
    return {"sphere-fits": list(fits.values()), "sphere-rate-is-a-u": _inner(fitting)}


def _traces(branches: Sequence[Record]) -> dict[str, list[float]]:
    """T4: of branches without decay at a small rate that `wdbench sharpness` has measured."""
    return {
        "trace-mirrors-test-error": _mirrored(branches),
        "trace-falls-along-trajectory": _fallen(branches, _log_trace),
        "error-falls-along-trajectory": _fallen(branches, lambda record: 100 - accuracy(record)),
    }


def _by_seed(records: Iterable[Record], number: Number) -> dict[int, dict[float, float]]:
    """Finite numbers by seed, in order, and by learning rate."""
    found: dict[int, dict[float, float]] = {}
    for record in sorted(records, key=lambda record: record.member.seed):
        value = number(record)
        if value is not None and math.isfinite(value):
            rate = float(record.values["learning_rate"])
            found.setdefault(record.member.seed, {})[rate] = value
    return found


def _of_one_decay(records: Sequence[Record]) -> list[Record]:
    """Those with decay of the scheme and lambda that most have."""
    decayed = [record for record in records if record.member.scheme != BASELINE]
    counted = Counter(record.member.name for record in decayed).most_common(1)
    return [record for record in decayed if record.member.name == counted[0][0]]


def _mean_over_rates(numbers: BySeed) -> list[float]:
    return [float(np.mean(list(own.values()))) for own in numbers.values()]


def _apart(found: BySeed) -> dict[int, float]:
    """Per seed: how far two rates lie apart that lie furthest apart on the other seeds, over the
    mean over its rates; of the same seed they would lie apart by noise alone."""
    shared = set.intersection(*map(set, found.values())) if found else set()
    apart = {}
    for seed, own in found.items():
        others = [other for each, other in found.items() if each != seed]
        if len(shared) > 1 and others:
            means = {rate: float(np.mean([other[rate] for other in others])) for rate in shared}
            high, low = (pick(sorted(means), key=means.__getitem__) for pick in (max, min))
            apart[seed] = (own[high] - own[low]) / float(np.mean([own[rate] for rate in shared]))
    return apart


def _inner(tested: BySeed) -> list[float]:
    """Per seed the test accuracy of a rate in between less that of an end, the best of either by
    the mean over the other seeds: chosen by its own numbers the best of several would be above what
    it is worth."""
    if not tested:
        return []
    # a seed that is still being trained has fewer
    rates = Counter(map(frozenset, tested.values())).most_common(1)[0][0]
    seeds = {seed: own for seed, own in tested.items() if own.keys() >= rates}
    if len(rates) < 3 or len(seeds) < 2:
        return []
    first, *between, final = sorted(rates)

    def best(rates: Sequence[float], but: int) -> float:
        others = [own for seed, own in seeds.items() if seed != but]
        return max(rates, key=lambda rate: sum(own[rate] for own in others))

    return [
        own[best(between, seed)] - own[best((first, final), seed)] for seed, own in seeds.items()
    ]


def _fit(record: Record) -> float | None:
    """Accuracy on the training images as they are; where that was not taken, of the last epoch."""
    return record.newest.get(FIT_ACCURACY.key, record.newest.get(TRAIN_ACCURACY.key))


def _trace(record: Record) -> float | None:
    found = final_sharpness(record)
    return None if found is None else float(found["trace"]["value"])


def _mirrored(branches: Iterable[Record]) -> list[float]:
    """Spearman's correlation over the branches of a seed, of the trace of the Hessian with the test
    error; of seeds with three branches or more that `wdbench sharpness` has measured, and in which
    neither is always the same."""
    from scipy.stats import spearmanr

    pairs: dict[int, list[tuple[float, float]]] = {}
    for record in branches:
        if (trace := _trace(record)) is not None:
            pairs.setdefault(record.member.seed, []).append((trace, 100 - accuracy(record)))
    found = []
    for seed in sorted(pairs):
        traces, errors = zip(*pairs[seed], strict=True)
        if len(traces) > 2 and len(set(traces)) > 1 and len(set(errors)) > 1:
            found.append(float(spearmanr(traces, errors).statistic))
    return found


def _log_trace(record: Record) -> float | None:
    """ln of the trace; None where it is not above 0, or was not measured."""
    trace = _trace(record)
    return math.log(trace) if trace is not None and trace > 0 else None


def _fallen(branches: Iterable[Record], number: Number) -> list[float]:
    """Per seed the mean over its trunks of a number of the branch from the earliest epoch, less
    that of the branch from the latest; of trunks with two or more."""
    known: dict[int, dict[str, dict[int, float]]] = {}
    for record in branches:
        value = number(record)
        if value is not None:
            trunks = known.setdefault(record.member.seed, {})
            by_epoch = trunks.setdefault(record.recipe.branch_run, {})
            by_epoch[record.recipe.branch_epoch] = value
    falls = [
        [own[min(own)] - own[max(own)] for own in known[seed].values() if len(own) > 1]
        for seed in sorted(known)
    ]
    return [float(np.mean(own)) for own in falls if own]


def _fall(record: Record) -> int | None:
    """After which epoch the rate falls; None where it does not, or more than once."""
    schedule = str(record.values["learning_rate_schedule"])
    found = re.fullmatch(r"steps:[^@]+@([0-9]+)epochs", schedule)
    return int(found[1]) if found else None


def _averaged(record: Record) -> float | None:
    """How far the mean of the weights is above halfway to the accuracy that a fallen rate gives,
    just before it falls; None where it does not fall, or nothing was averaged."""
    fall, rows = _fall(record), record.evaluations
    if fall is None:
        return None
    known = np.isfinite([rows[TEST_ACCURACY.key], rows[AVERAGED_ACCURACY.key]]).all(axis=0)
    before = np.flatnonzero(known & (rows[record.epoch_key] <= fall))
    if not len(before):
        return None
    at = before[-1]
    then = float(rows[TEST_ACCURACY.key][at])
    return float(rows[AVERAGED_ACCURACY.key][at]) - (then + accuracy(record)) / 2


def _settled(record: Record) -> float | None:
    """A quarter of what the training loss fell by in the first half of the epochs at the large
    rate, less what it changed by in the second, up or down; None where there are no two halves."""
    fall, losses = _fall(record), _losses(record)
    if fall is None or not losses or not (first := min(losses)) < fall / 2 <= fall <= max(losses):
        return None
    begin, half, end = np.interp([first, fall / 2, fall], sorted(losses), _in_order(losses))
    return float(QUARTER * (begin - half) - abs(half - end))


def _level(record: Record) -> float | None:
    """The training loss of the last epoch before the rate falls."""
    fall, losses = _fall(record), _losses(record)
    before = [] if fall is None else [epoch for epoch in losses if epoch <= fall]
    return losses[max(before)] if before else None


def _in_order(losses: Mapping[float, float]) -> list[float]:
    return [losses[epoch] for epoch in sorted(losses)]


def _losses(record: Record) -> dict[float, float]:
    """The mean training loss of an epoch, by its number."""
    epochs, losses = (record.evaluations[key] for key in (record.epoch_key, TRAIN_LOSS.key))
    known = np.isfinite(losses)
    return dict(zip(epochs[known].tolist(), losses[known].tolist(), strict=True))
