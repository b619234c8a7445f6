"""What Bjorck et al. claim of decay in Adam, of any workload with a score: numbers per seed that
are above 0 where a claim holds."""

from collections.abc import Callable, Mapping

import numpy as np

from shared_optim.figures import DROWNED, MEDIAN, WEIGHT_NORM
from shared_optim.metric import Metric
from shared_optim.schemes import BASELINE
from workload.exhibits.grid import SCHEDULE, RecordGrid
from workload.exhibits.record import Record

HALF = 0.5
Sweep = dict[float, Record]
"""A seed's runs of one scheme by lambda."""
Sweeps = Mapping[int, Sweep]


def scheme_claims(grid: RecordGrid, score: Metric) -> dict[str, dict[str, list[float]]]:
    """Per task and what else runs have in common, by the claim's id. Of decay that is not always on
    only decoupled takes part, in claims on schedules.

    Args:
        grid: the runs.
        score: higher is better.
    """
    found: dict[str, dict[str, Sweeps]] = {}
    for task in grid.tasks:
        sweeps: dict[str, dict[str, dict[int, Sweep]]] = {}
        for row in grid.rows_of(task):
            pairs = dict(zip(grid.keys, row.extras, strict=True))
            kind = pairs.pop(SCHEDULE, "always").partition(":")[0]
            name = row.scheme
            if kind != "always" and name != BASELINE:
                if name != "decoupled":
                    continue
                name = kind
            setting = " ".join(f"{key}={value}" for key, value in pairs.items())
            own = sweeps.setdefault(setting, {}).setdefault(name, {})
            for record in grid.at(row, task):
                if score.key in record.scores:
                    own.setdefault(record.member.seed, {})[row.weight_decay] = record
        for setting, by_scheme in sweeps.items():
            found[", ".join(filter(None, (task, setting)))] = dict(by_scheme)
    return {label: _numbers(by_scheme, score) for label, by_scheme in found.items()}


def _numbers(by_scheme: Mapping[str, Sweeps], score: Metric) -> dict[str, list[float]]:
    l2, decoupled = by_scheme.get("l2", {}), by_scheme.get("decoupled", {})
    separated, none = by_scheme.get("separated", {}), by_scheme.get(BASELINE, {})

    def best(sweep: Sweep) -> float:
        return max(record.scores[score.key] for record in sweep.values())

    def spread(sweep: Sweep) -> float:
        scores = [record.scores[score.key] for record in sweep.values()]
        return max(scores) - min(scores)

    return {
        "decoupled-over-l2": _paired(decoupled, l2, lambda a, b: best(a) - best(b)),
        "separated-over-l2": _paired(separated, l2, lambda a, b: best(a) - best(b)),
        "decoupled-over-none": _paired(decoupled, none, lambda a, b: best(a) - best(b)),
        "decoupled-stable-in-lambda": _paired(
            decoupled, l2, lambda a, b: spread(b) - spread(a) if len(a) > 1 < len(b) else None
        ),
        "separated-stable-in-lambda": _paired(
            separated, l2, lambda a, b: spread(b) - spread(a) if len(a) > 1 < len(b) else None
        ),
        "early-over-late": _paired(
            *(by_scheme.get("early", {}), by_scheme.get("late", {})),
            lambda a, b: best(a) - best(b),
        ),
        "l2-drowns": _each(l2, _drowned),
        "l2-median-is-lambda": _each(l2, _median_near_lambda),
        "l2-smaller-norm": _paired(l2, decoupled, _norm_below),
    }


def _paired(
    one: Sweeps, other: Sweeps, number: Callable[[Sweep, Sweep], float | None]
) -> list[float]:
    found = [number(one[seed], other[seed]) for seed in sorted(one) if seed in other]
    return [each for each in found if each is not None]


def _each(sweeps: Sweeps, number: Callable[[Record], float | None]) -> list[float]:
    """Of the run with the largest lambda."""
    found = [number(sweeps[seed][max(sweeps[seed])]) for seed in sorted(sweeps)]
    return [each for each in found if each is not None]


def _drowned(record: Record) -> float | None:
    share = record.newest.get(DROWNED.key)
    return None if share is None else share - HALF


def _median_near_lambda(record: Record) -> float | None:
    median = record.newest.get(MEDIAN.key)
    if median is None:
        return None
    return HALF - abs(median - float(np.log(record.member.weight_decay)))


def _norm_below(one: Sweep, other: Sweep) -> float | None:
    """How far the first norm is below the second, as a share, at the largest lambda of both."""
    shared = one.keys() & other.keys()
    if not shared:
        return None
    norms = [sweep[max(shared)].newest.get(WEIGHT_NORM.key) for sweep in (one, other)]
    return None if None in norms or not norms[1] else 1 - (norms[0] or 0.0) / norms[1]
