"""What Bjorck et al. claim of decay in Adam, of any workload with a score: numbers per seed that
are above 0 where a claim holds."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from shared_optim.figures import DROWNED, MEDIAN, QUANTILE_KEYS, WEIGHT_NORM
from shared_optim.metric import Metric
from shared_optim.schemes import BASELINE
from workload.exhibits.grid import SCHEDULE, RecordGrid
from workload.exhibits.record import Record

LARGE = 1e-4
"""From which lambda on the source has l2 fail, in translation and in all games but TimePilot."""
QUARTER, HALF, DECADES_APART = 0.25, 0.5, 1
Sweep = dict[float, Record]
"""A seed's runs of one scheme by lambda."""
Sweeps = Mapping[int, Sweep]
Numbers = dict[int, float]
"""By seed."""


def scheme_claims(grid: RecordGrid, score: Metric) -> dict[str, dict[str, list[float]]]:
    """Per task and what else runs have in common, by the claim's id. Of decay that is not always on
    only decoupled takes part, in claims on schedules.

    Args:
        grid: the runs.
        score: higher is better.
    """
    found = {}
    for task in grid.tasks:
        for setting, by_scheme in sweeps_of(grid, task, score).items():
            numbers = _numbers(by_scheme, score)
            found[", ".join(filter(None, (task, setting)))] = {
                claim: [own[seed] for seed in sorted(own)] for claim, own in numbers.items()
            }
    return found


def sweeps_of(grid: RecordGrid, task: str, score: Metric) -> dict[str, dict[str, Sweeps]]:
    """By what else a task's runs have in common and by scheme: its scored runs. Decoupled decay
    that is not always on is `early`, `late` and so on."""
    found: dict[str, dict[str, dict[int, Sweep]]] = {}
    for row in grid.rows_of(task):
        pairs = dict(zip(grid.keys, row.extras, strict=True))
        kind = pairs.pop(SCHEDULE, "always").partition(":")[0]
        name = row.scheme
        if kind != "always" and name != BASELINE:
            if name != "decoupled":
                continue
            name = kind
        setting = " ".join(f"{key}={value}" for key, value in pairs.items())
        own = found.setdefault(setting, {}).setdefault(name, {})
        for record in grid.at(row, task):
            if score.key in record.scores:
                own.setdefault(record.member.seed, {})[row.weight_decay] = record
    return {setting: dict(by_scheme) for setting, by_scheme in found.items()}


def _numbers(by_scheme: Mapping[str, Sweeps], score: Metric) -> dict[str, Numbers]:
    scores: dict[str, dict[int, dict[float, float]]] = {
        name: {
            seed: {decay: record.scores[score.key] for decay, record in sweep.items()}
            for seed, sweep in sweeps.items()
        }
        for name, sweeps in by_scheme.items()
    }
    records = {name: by_scheme.get(name, {}) for name in (BASELINE, "l2", "decoupled")}
    l2, decoupled, separated = (scores.get(name, {}) for name in ("l2", "decoupled", "separated"))
    none = {seed: own[max(own)] for seed, own in scores.get(BASELINE, {}).items()}
    small = _only(l2, lambda decay: decay < LARGE)
    lead = _less(at_large(decoupled, l2), at_large(l2, decoupled))
    behind = _less(at_large(separated, decoupled), at_large(decoupled, separated))
    worth = _less(tuned(decoupled), none)
    l2_ahead = _less(tuned(l2), tuned(decoupled)) if _several(l2) else {}
    stuttered = tuned(scores.get("stuttered", {}))
    return {
        "decoupled-over-l2": lead,
        "separated-over-l2": _less(at_large(separated, l2), at_large(l2, separated)),
        "separated-matches-decoupled": _within_quarter(lead, behind),
        "small-l2-matches-decoupled": _smallest_against_largest(decoupled, l2),
        "tuned-l2-matches-decoupled": _within_quarter(worth, l2_ahead),
        "decoupled-over-none": worth,
        "l2-under-none": _less(none, at_large(l2, l2)),
        "small-l2-over-none": _less(tuned(small), none),
        "decoupled-stable-in-lambda": _steadier(decoupled, l2),
        "separated-stable-in-lambda": _steadier(separated, l2),
        "stuttered-nearly-always": _within_quarter(worth, _less(stuttered, tuned(decoupled))),
        "early-over-late": _less(tuned(scores.get("early", {})), tuned(scores.get("late", {}))),
        "gradient-below-weight": _each(records[BASELINE], lambda run: _negated(run, MEDIAN.key)),
        "gradients-orders-apart": _each(records[BASELINE], _decades_apart),
        "lambda-outweighs-gradient": _each(records[BASELINE], _drowned),
        "l2-drowns": _each(records["l2"], _drowned),
        "l2-median-is-lambda": _each(records["l2"], _median_near_lambda),
        "l2-smaller-norm": _smaller_norm(records["l2"], records["decoupled"]),
    }


Scores = Mapping[int, Mapping[float, float]]
"""Of one scheme by seed and lambda."""


def tuned(scores: Scores) -> Numbers:
    """Each seed's score at the lambda that has the best mean over the other seeds; at the one that
    there is, where there is one.

    The best of several scores of the same seed would be above what tuning gives: noise is chosen
    with it.
    """
    found = {}
    for seed, own in scores.items():
        others = [other for each, other in scores.items() if each != seed]
        shared = [decay for decay in sorted(own) if all(decay in other for other in others)]
        if len(shared) == 1:
            found[seed] = own[shared[0]]
        elif shared and others:
            best = max(shared, key=lambda decay: np.mean([other[decay] for other in others]))
            found[seed] = own[best]
    return found


def at_large(scores: Scores, other: Scores) -> Numbers:
    """The mean over the lambdas of 1e-4 and more that both schemes have of a seed."""
    found = {}
    for seed, own in scores.items():
        shared = [d for d in own if d >= LARGE and d in other.get(seed, {})]
        if shared:
            found[seed] = float(np.mean([own[decay] for decay in shared]))
    return found


def _less(one: Numbers, other: Numbers) -> Numbers:
    return {seed: one[seed] - other[seed] for seed in one if seed in other}


def _negative(numbers: Numbers) -> Numbers:
    return {seed: -number for seed, number in numbers.items()}


def _only(scores: Scores, chosen: Callable[[float], bool]) -> Scores:
    found = {s: {d: score for d, score in own.items() if chosen(d)} for s, own in scores.items()}
    return {seed: own for seed, own in found.items() if own}


def _several(scores: Scores) -> bool:
    return all(len(own) > 1 for own in scores.values())


def _within_quarter(worth: Numbers, ahead: Numbers) -> Numbers:
    """A quarter of what something is worth and how far another is ahead of it; of nothing that is
    worth nothing, by the mean over seeds."""
    if not worth or np.mean(list(worth.values())) <= 0:
        return {}
    return {seed: QUARTER * worth[seed] + ahead[seed] for seed in worth if seed in ahead}


def _smallest_against_largest(decoupled: Scores, l2: Scores) -> Numbers:
    """What l2 falls short of decoupled at the smallest lambda of both, less than a quarter of the
    same at the largest."""
    short, most = {}, {}
    for seed, own in decoupled.items():
        gaps = {d: own[d] - l2[seed][d] for d in own if d in l2.get(seed, {})}
        if len(gaps) > 1:
            short[seed], most[seed] = gaps[min(gaps)], gaps[max(gaps)]
    return _within_quarter(most, _negative(short))


def _steadier(one: Scores, l2: Scores) -> Numbers:
    """By how much less the scores of one spread than l2's, over the lambdas that both have."""
    found = {}
    for seed, own in one.items():
        shared = [decay for decay in own if decay in l2.get(seed, {})]
        if len(shared) > 1:
            spreads = [np.ptp([of[decay] for decay in shared]) for of in (l2[seed], own)]
            found[seed] = float(spreads[0] - spreads[1])
    return found


def _each(sweeps: Sweeps, number: Callable[[Record], float | None]) -> Numbers:
    """Of the run with the largest lambda."""
    found = {seed: number(own[max(own)]) for seed, own in sweeps.items()}
    return {seed: value for seed, value in found.items() if value is not None}


def _negated(record: Record, key: str) -> float | None:
    value = record.newest.get(key)
    return None if value is None else -value


def _decades_apart(record: Record) -> float | None:
    """From the 5 % quantile of |m/w| to that of 95 %, less one decade."""
    found = [record.column(record.metrics, QUANTILE_KEYS[name])[1] for name in ("q05", "q95")]
    if not all(found):
        return None
    (*_, low), (*_, high) = found
    return (high - low) / float(np.log(10)) - DECADES_APART


def _drowned(record: Record) -> float | None:
    share = record.newest.get(DROWNED.key)
    return None if share is None else share - HALF


def _median_near_lambda(record: Record) -> float | None:
    median = record.newest.get(MEDIAN.key)
    if median is None:
        return None
    return HALF - abs(median - float(np.log(record.member.weight_decay)))


def _smaller_norm(one: Sweeps, other: Sweeps) -> Numbers:
    """How far the first norm is below the second, as a share, at the largest lambda of both."""
    found = {}
    for seed, own in one.items():
        shared = own.keys() & other.get(seed, {}).keys()
        if shared:
            runs = own[max(shared)], other[seed][max(shared)]
            mine, theirs = (run.newest.get(WEIGHT_NORM.key) for run in runs)
            if mine is not None and theirs:
                found[seed] = 1 - mine / theirs
    return found


def across_tasks(grids: Sequence[RecordGrid], score: Metric) -> dict[str, dict[str, list[float]]]:
    """What the source claims of several tasks together, such as games, in one setting.

    Both numbers are of two tasks that lie furthest apart by the mean over the other seeds: the two
    of the same seed would lie apart by noise alone.

    Args:
        grids: of a task or more each.
        score: higher is better.
    """
    norms: dict[str, dict[str, Numbers]] = {}
    enough: dict[str, dict[str, Numbers]] = {}
    for grid in grids:
        for task in grid.tasks:
            for setting, by_scheme in sweeps_of(grid, task, score).items():
                none = by_scheme.get(BASELINE, {})
                norms.setdefault(setting, {})[task] = _each(none, _log_norm)
                sufficient = _sufficient(by_scheme.get("l2", {}), none, score)
                enough.setdefault(setting, {})[task] = sufficient
    apart = float(np.log(1 + QUARTER))
    found = {
        ", ".join(filter(None, (*sorted(norms[setting]), setting))): {
            "norms-differ-between-tasks": furthest_apart(norms[setting], apart),
            "lambda-differs-between-tasks": furthest_apart(enough[setting], HALF),
        }
        for setting in norms
    }
    return {tasks: numbers for tasks, numbers in found.items() if any(numbers.values())}


def _log_norm(record: Record) -> float | None:
    norm = record.newest.get(WEIGHT_NORM.key)
    return float(np.log(norm)) if norm else None


def _sufficient(l2: Sweeps, none: Sweeps, score: Metric) -> Numbers:
    """log10 of the largest lambda at which l2 falls short of no decay by at most a quarter of its
    score, of three lambdas or more; a decade below all of them where it always does."""
    found = {}
    for seed, sweep in l2.items():
        if len(sweep) < 3 or seed not in none:
            continue
        level = none[seed][max(none[seed])].scores[score.key]
        level -= QUARTER * abs(level)
        kept = [decay for decay, run in sweep.items() if run.scores[score.key] >= level]
        found[seed] = float(np.log10(max(kept, default=min(sweep) / 10)))
    return found


def furthest_apart(values: Mapping[str, Numbers], least: float) -> list[float]:
    """Per seed: how far two tasks lie apart that lie furthest apart by the other seeds, less what
    has to be between them. None of fewer than two tasks or seeds."""
    known = {task: own for task, own in values.items() if len(own) > 1}
    seeds = set.intersection(*map(set, known.values())) if len(known) > 1 else set()
    found = []
    for seed in sorted(seeds) if len(seeds) > 1 else ():
        means = {t: float(np.mean([v[s] for s in seeds - {seed}])) for t, v in known.items()}
        high, low = (pick(means, key=lambda task: means[task]) for pick in (max, min))
        found.append(known[high][seed] - known[low][seed] - least)
    return found
