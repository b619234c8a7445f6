"""What Andriushchenko et al. claim of plain SGD, each as a number per seed that is above 0 where
the claim holds."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from shared_optim.schemes import BASELINE
from vision.metrics import AVERAGED_ACCURACY, TEST_ACCURACY
from vision.sharpness_file import final_sharpness
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record

ByRate = Mapping[float, float]
"""Accuracy of a seed by learning rate."""


def talk_numbers(grid: RecordGrid, task: str) -> dict[str, list[float]]:
    """By the claim's id, of runs without momentum: the last of branches, the others of the rest."""
    whole = [
        record
        for row in grid.rows_of(task)
        for record in grid.at(row, task)
        if record.scores and record.values["optimizer"] == "sgd" and not record.values["momentum"]
    ]
    records = [record for record in whole if not record.values.get("branch")]
    plain = [r for r in records if r.values["norm"] == "none"]
    none = _by_seed(r for r in plain if r.member.scheme == BASELINE)
    decayed = _by_seed(_of_one_decay([r for r in plain if r.member.scheme != BASELINE]))
    gains = [
        {rate: decayed[seed][rate] - none[seed][rate] for rate in none[seed].keys() & mine.keys()}
        for seed, mine in sorted(decayed.items())
        if seed in none
    ]
    spheres = _by_seed(r for r in records if r.values.get("sphere"))
    averaged: dict[int, list[float]] = {}
    for record in records:
        if (number := _averaged(record)) is not None:
            averaged.setdefault(record.member.seed, []).append(number)
    return {
        "decay-helps-large-steps": [g[max(g)] for g in gains if g],
        "decay-needs-large-steps": [g[max(g)] - g[min(g)] for g in gains if len(g) > 1],
        "sphere-rate-is-a-u": [_inner(spheres[s]) for s in sorted(spheres) if len(spheres[s]) > 2],
        "averaged-nearly-dropped": [float(np.mean(averaged[seed])) for seed in sorted(averaged)],
        "trace-mirrors-test-error": _mirrored(r for r in whole if r.values.get("branch")),
    }


def _by_seed(records: Iterable[Record]) -> dict[int, dict[float, float]]:
    found: dict[int, dict[float, float]] = {}
    for record in records:
        rate = float(record.values["learning_rate"])
        found.setdefault(record.member.seed, {})[rate] = record.scores[TEST_ACCURACY.key]
    return found


def _of_one_decay(records: list[Record]) -> list[Record]:
    """Those of the scheme and lambda that most have."""
    counted = Counter(record.member.name for record in records).most_common(1)
    return [record for record in records if record.member.name == counted[0][0]]


def _inner(accuracy: ByRate) -> float:
    """The best of a rate in between, less the better one of the two end rates."""
    first, *between, last = (accuracy[rate] for rate in sorted(accuracy))
    return max(between) - max(first, last)


def _mirrored(branches: Iterable[Record]) -> list[float]:
    """Spearman's correlation over the branches of a seed, of the trace of the Hessian with the test
    error; of seeds with three branches or more that `wdbench sharpness` has measured."""
    from scipy.stats import spearmanr

    pairs: dict[int, list[tuple[float, float]]] = {}
    for record in branches:
        if (found := final_sharpness(record)) is not None:
            error = 100 - record.scores[TEST_ACCURACY.key]
            own = pairs.setdefault(record.member.seed, [])
            own.append((float(found["trace"]["value"]), error))
    return [
        float(spearmanr(*zip(*pairs[seed], strict=True)).statistic)
        for seed in sorted(pairs)
        if len(pairs[seed]) > 2
    ]


def _averaged(record: Record) -> float | None:
    """How far the mean of the weights is above halfway to the accuracy that a fallen rate gives,
    just before it falls; None where it does not fall, or nothing was averaged."""
    fall = re.fullmatch(r"steps:[^@]+@([0-9]+)epochs", str(record.values["learning_rate_schedule"]))
    if not fall:
        return None
    rows = record.evaluations
    known = np.isfinite([rows[TEST_ACCURACY.key], rows[AVERAGED_ACCURACY.key]]).all(axis=0)
    before = np.flatnonzero(known & (rows[record.epoch_key] <= int(fall[1])))
    if not len(before):
        return None
    at = before[-1]
    then = float(rows[TEST_ACCURACY.key][at])
    end = record.scores[TEST_ACCURACY.key]
    return float(rows[AVERAGED_ACCURACY.key][at]) - (then + end) / 2
