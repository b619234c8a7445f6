"""Bjorck et al.'s claims of what decay is worth when, and of the sharpness that goes with it."""

import math
from collections.abc import Callable
from typing import Any

from vision.exhibits.statistic import QUARTER, WORTH, Runs, Statistic, accuracy
from vision.sharpness_file import final_sharpness, value_at
from workload.exhibits.record import Record

_FOUR = ("none", "always", "early", "late")
Measure = Callable[[dict[str, Any]], float | None]
"""A number of what `wdbench sharpness` has left of a run."""


def _nearly(name: str, like: str = "always") -> Statistic:
    """A quarter of what decay always is worth, less what one run falls short of another."""

    def number(runs: Runs) -> float | None:
        worth = WORTH.number(runs)
        if worth is None:
            return None
        return QUARTER * worth - (accuracy(runs[like]) - accuracy(runs[name]))

    needs = tuple(dict.fromkeys(("none", "always", like, name)))
    return Statistic(needs, number, supposes=WORTH)


def _over(better: str, worse: str, supposes: Statistic | None = None) -> Statistic:
    """The final test accuracy of one run less that of another."""
    return Statistic(
        (better, worse),
        lambda runs: accuracy(runs[better]) - accuracy(runs[worse]),
        supposes,
    )


def _order(measure: Measure) -> Statistic:
    """By how much the flatter of none and late is sharper than the sharper of early and always."""

    def number(runs: Runs) -> float | None:
        found = _measured(measure, runs)
        if found is None:
            return None
        return min(found["none"], found["late"]) - max(found["early"], found["always"])

    return Statistic(_FOUR, number)


def _no_order(measure: Measure) -> Statistic:
    """By how much early and always are sharper in the mean than none and late."""

    def number(runs: Runs) -> float | None:
        found = _measured(measure, runs)
        if found is None:
            return None
        return (found["early"] + found["always"] - found["none"] - found["late"]) / 2

    return Statistic(_FOUR, number)


def _measured(measure: Measure, runs: Runs) -> dict[str, float] | None:
    """The measure of all four; None where one lacks it."""
    found: dict[str, float] = {}
    for name in _FOUR:
        measured = final_sharpness(runs[name])
        value = None if measured is None else measure(measured)
        if value is None:
            return None
        found[name] = value
    return found


def _keskar_between(sharp: Record, flat: Record) -> float | None:
    """Keskar's measure of one run less that of another."""
    found = [final_sharpness(sharp), final_sharpness(flat)]
    if found[0] is None or found[1] is None:
        return None
    return float(found[0]["keskar"]) - float(found[1]["keskar"])


def _log_top(found: dict[str, Any]) -> float | None:
    """ln of the largest eigenvalue; None where that is not above 0."""
    top = float(found["top"]["value"])
    return math.log(top) if top > 0 else None


STATISTICS = {
    "early-over-late": _over("early", "late", supposes=WORTH),
    "early-nearly-always": _nearly("early"),
    # a quarter of the worth, less what late is above none
    "late-worth-little": _nearly("none", like="late"),
    "matched-late-over-late": _over("late, matched", "late"),
    "matched-late-under-early": _over("early", "late, matched"),
    "multiplicative-order": _order(lambda found: value_at(found, "multiplicative", "loss")),
    "multiplicative-difference-order": _order(
        lambda found: value_at(found, "multiplicative", "difference")
    ),
    "additive-order-fails": _no_order(lambda found: value_at(found, "additive", "loss")),
    "keskar-order-fails": _no_order(lambda found: float(found["keskar"])),
    "keskar-flat-without-decay": Statistic(
        ("none", "always"),
        lambda runs: _keskar_between(runs["always"], runs["none"]),
    ),
    "eigenvalue-order-fails": _no_order(_log_top),
    "norms-nearly-always": _nearly("none, norms of always"),
    "norms-of-early-nearly-early": _nearly("none, norms of early", like="early"),
    "norms-of-late-nearly-late": _nearly("none, norms of late", like="late"),
    "stuttered-nearly-always": _nearly("stuttered"),
    "skipped-nearly-always": _nearly("skipped"),
}
