"""Bjorck et al.'s claims, each as a number per seed that is above 0 where the claim holds; what
they say stands in configs/claims/vision.yaml."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shared_optim.metric import Metric
from shared_optim.schemes import BASELINE
from vision.exhibits.variants import SHUFFLED, Variant, variants
from vision.metrics import (
    COS_NEG,
    COS_POS,
    CROSS,
    DISTANCE,
    GRADIENT_NORM,
    SQUARE,
    TEST_ACCURACY,
    WEIGHT_NORM,
)
from vision.sharpness_file import Noise, Reading, final_sharpness, value_at
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record

QUARTER = 0.25
THAT_RATE = "none, that rate"  # true labels at the learning rate of the shuffled ones
Runs = Mapping[str, Record]
"""The runs of one seed by what decay they had, e.g. `early`."""


@dataclass(frozen=True)
class Statistic:
    """How a claim is turned into a number.

    Attributes:
        needs: the runs of a seed that it takes.
        number: above 0 where the claim holds; None where something was not measured.
    """

    needs: tuple[str, ...]
    number: Callable[[Runs], float | None]


def _last(metric: Metric) -> Callable[[Record], float]:
    def value(record: Record) -> float:
        values = record.evaluations[metric.key]
        known = values[np.isfinite(values)]
        return float(known[-1]) if len(known) else math.nan

    return value


def _mean(metric: Metric, *, rows: str, begin: float = 0.0) -> Callable[[Record], float]:
    """The mean over rows from a share of the run on."""

    def value(record: Record) -> float:
        values = getattr(record, rows)[metric.key]
        values = values[np.isfinite(values)]
        chosen = values[int(begin * len(values)) :]
        return float(chosen.mean()) if len(chosen) else math.nan

    return value


def _grown(record: Record) -> float:
    """What the steps of all epochs have added to the square of the norm."""
    terms = [record.evaluations[metric.key] for metric in (SQUARE, CROSS)]
    return float(np.nansum(terms))


_accuracy, _norm, _distance = _last(TEST_ACCURACY), _last(WEIGHT_NORM), _last(DISTANCE)


def _shortfall(name: str) -> Callable[[Runs], float]:
    """A quarter of what decay always is worth, less what this schedule falls short of it."""

    def number(runs: Runs) -> float:
        always = _accuracy(runs["always"])
        worth = always - _accuracy(runs["none"])
        return QUARTER * worth - (always - _accuracy(runs[name]))

    return number


def _sharper(kind: Noise, key: Reading) -> Callable[[Runs], float | None]:
    """By how much the flatter of none and late is sharper than the sharper of early and always."""

    def number(runs: Runs) -> float | None:
        found: dict[str, float] = {}
        for name in ("none", "late", "early", "always"):
            measured = final_sharpness(runs[name])
            if measured is None:
                return None
            value = value_at(measured, kind, key)
            if value is None:
                return None
            found[name] = value
        return min(found["none"], found["late"]) - max(found["early"], found["always"])

    return number


_FOUR = ("none", "always", "early", "late")
_TWO = ("none", "none, shuffled")
_AT_ONE_RATE = (THAT_RATE, "none, shuffled")
STATISTICS = {
    "early-over-late": Statistic(
        ("early", "late"),
        lambda runs: _accuracy(runs["early"]) - _accuracy(runs["late"]),
    ),
    "early-nearly-always": Statistic(
        ("none", "always", "early"),
        _shortfall("early"),
    ),
    "late-worth-little": Statistic(
        ("none", "always", "late"),
        lambda runs: (
            QUARTER * (_accuracy(runs["always"]) - _accuracy(runs["none"]))
            - (_accuracy(runs["late"]) - _accuracy(runs["none"]))
        ),
    ),
    "matched-late-over-late": Statistic(
        ("late", "late, matched"),
        lambda runs: _accuracy(runs["late, matched"]) - _accuracy(runs["late"]),
    ),
    "matched-late-under-early": Statistic(
        ("early", "late, matched"),
        lambda runs: _accuracy(runs["early"]) - _accuracy(runs["late, matched"]),
    ),
    "early-smaller-norm": Statistic(
        ("none", "early"),
        lambda runs: 1 - _norm(runs["early"]) / _norm(runs["none"]),
    ),
    "multiplicative-order": Statistic(
        _FOUR,
        _sharper("multiplicative", "loss"),
    ),
    "multiplicative-difference-order": Statistic(
        _FOUR,
        _sharper("multiplicative", "difference"),
    ),
    "additive-order-fails": Statistic(
        _FOUR,
        lambda runs: None if (found := _sharper("additive", "loss")(runs)) is None else -found,
    ),
    "norms-nearly-always": Statistic(
        ("none", "always", "none, norms of always"),
        _shortfall("none, norms of always"),
    ),
    "cross-outweighs-square": Statistic(
        ("none",),
        lambda runs: float(
            np.nansum(runs["none"].evaluations[CROSS.key])
            - np.nansum(runs["none"].evaluations[SQUARE.key])
        ),
    ),
    "shuffled-grow-less": Statistic(
        _TWO,
        lambda runs: _grown(runs["none"]) - _grown(runs["none, shuffled"]),
    ),
    "shuffled-grow-less-one-rate": Statistic(
        _AT_ONE_RATE,
        lambda runs: _grown(runs[THAT_RATE]) - _grown(runs["none, shuffled"]),
    ),
    "positive-half-grows": Statistic(
        ("none",),
        lambda runs: _mean(COS_POS, rows="metrics")(runs["none"]),
    ),
    "negative-half-shrinks": Statistic(
        ("none",),
        lambda runs: -_mean(COS_NEG, rows="metrics")(runs["none"]),
    ),
    "positive-half-less-shuffled": Statistic(
        _TWO,
        lambda runs: (
            _mean(COS_POS, rows="metrics")(runs["none"])
            - _mean(COS_POS, rows="metrics")(runs["none, shuffled"])
        ),
    ),
    "positive-half-less-shuffled-one-rate": Statistic(
        _AT_ONE_RATE,
        lambda runs: (
            _mean(COS_POS, rows="metrics")(runs[THAT_RATE])
            - _mean(COS_POS, rows="metrics")(runs["none, shuffled"])
        ),
    ),
    "negative-half-shuffled": Statistic(
        ("none, shuffled",),
        lambda runs: -_mean(COS_NEG, rows="metrics")(runs["none, shuffled"]),
    ),
    "shuffled-move-far": Statistic(
        ("none, shuffled",),
        lambda runs: (
            _distance(runs["none, shuffled"]) - math.sqrt(max(_grown(runs["none, shuffled"]), 0.0))
        ),
    ),
    "stuttered-nearly-always": Statistic(
        ("none", "always", "stuttered"),
        _shortfall("stuttered"),
    ),
    "shuffled-larger-gradients": Statistic(
        _TWO,
        lambda runs: (
            _mean(GRADIENT_NORM, rows="metrics", begin=0.5)(runs["none, shuffled"])
            - _mean(GRADIENT_NORM, rows="metrics", begin=0.5)(runs["none"])
        ),
    ),
    "shuffled-larger-gradients-one-rate": Statistic(
        _AT_ONE_RATE,
        lambda runs: (
            _mean(GRADIENT_NORM, rows="metrics", begin=0.5)(runs["none, shuffled"])
            - _mean(GRADIENT_NORM, rows="metrics", begin=0.5)(runs[THAT_RATE])
        ),
    ),
}


def claim_numbers(grid: RecordGrid) -> dict[str, dict[str, list[float]]]:
    """Per image set, with and without normalisation, and in plain SGD: a number per seed for each
    claim of `configs/claims/vision.yaml`."""
    from vision.exhibits.talk_claims import talk_numbers

    found = {}
    for task in grid.tasks:
        for norm, without in (("batch", ""), ("none", ", without normalisation")):
            seeds, chosen = _by_seed(grid, task, norm)
            of_several = f" ({chosen})" if chosen else ""
            if seeds:
                numbers = {key: _numbers(each, seeds) for key, each in STATISTICS.items()}
                found[f"{task}{without}{of_several}"] = numbers
        found[f"{task}, plain SGD"] = talk_numbers(grid, task)
    return found


def _by_seed(grid: RecordGrid, task: str, norm: str) -> tuple[list[dict[str, Record]], str]:
    """The finished runs of each seed, by name, and in words what was chosen where there was a
    choice.

    All are of one setting, and those with decay of one scheme and lambda: those of the most runs
    with decay always, or else of the most. Shuffled labels may have a learning rate of their own;
    the runs without decay at that rate are `none, that rate`.
    """
    finished = [
        variant
        for variant in variants(grid, task, lambda record: record.values["norm"] == norm)
        if any(record.scores for record in variant.records)
    ]
    decaying = [v for v in finished if v.decay]
    chosen = _most(decaying or [v for v in finished if v.name == BASELINE] or finished)
    if chosen is None:
        return [], ""
    mine = [v for v in finished if v.setting == chosen.setting and v.decay in ((), chosen.decay)]
    elsewhere = [
        v
        for v in finished
        if v.name == f"{BASELINE}, {SHUFFLED}" and _without_rate(v) == _without_rate(chosen)
    ]
    named = [(v.name, v) for v in mine]
    if not any(name == f"{BASELINE}, {SHUFFLED}" for name, _ in named):
        shuffled = _most(elsewhere)
        named += [(v.name, v) for v in elsewhere if v is shuffled]
        named += [
            (THAT_RATE, v)
            for v in finished
            if shuffled and v.name == BASELINE and v.setting == shuffled.setting
        ]
    seeds: dict[int, dict[str, Record]] = {}
    for name, variant in named:
        for record in variant.records:
            if record.scores:
                seeds.setdefault(record.member.seed, {})[name] = record
    left_out = any(all(v is not used for _, used in named) for v in finished)
    words = " ".join([*chosen.decay, *chosen.setting]) if left_out else ""
    return [seeds[seed] for seed in sorted(seeds)], words


def _most(of: Sequence[Variant]) -> Variant | None:
    """The one whose setting and decay have the most runs of decay always, or else of any."""

    def runs(like: Variant) -> tuple[int, int]:
        alike = [v for v in of if (v.decay, v.setting) == (like.decay, like.setting)]
        always = sum(len(v.records) for v in alike if v.name == "always")
        return always, sum(len(v.records) for v in alike)

    return max(of, key=runs, default=None)


def _without_rate(variant: Variant) -> tuple[str, ...]:
    return tuple(each for each in variant.setting if not each.startswith("learning_rate="))


def _numbers(claim: Statistic, seeds: Sequence[Runs]) -> list[float]:
    found = []
    for runs in seeds:
        if all(name in runs for name in claim.needs):
            number = claim.number(runs)
            if number is not None and math.isfinite(number):
                found.append(number)
    return found
