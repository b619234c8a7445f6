"""The paper's claims, each as a number per seed that is above 0 where the claim holds."""

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
from workload.exhibits.document import Table, cell
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record

QUARTER = 0.25
CONFIDENCE = 0.95
FEWEST = 3  # seeds of which an interval is made
THAT_RATE = "none, that rate"  # true labels at the learning rate of the shuffled ones
Runs = Mapping[str, Record]
"""The runs of one seed by what decay they had, e.g. `early`."""


@dataclass(frozen=True)
class Claim:
    """What the paper says, or what it lacks.

    Attributes:
        text: the claim.
        source: the figure it is read from.
        unit: of the number.
        needs: the runs of a seed that it takes.
        number: above 0 where the claim holds; None where something was not measured.
    """

    text: str
    source: str
    unit: str
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
CLAIMS = (
    Claim(
        "decay early is worth more than decay late", "1", "%", ("early", "late"),
        lambda runs: _accuracy(runs["early"]) - _accuracy(runs["late"]),
    ),
    Claim(
        "stopping decay early costs less than a quarter of its worth", "1", "%",
        ("none", "always", "early"), _shortfall("early"),
    ),
    Claim(
        "decay late is worth less than a quarter of decay always", "1", "%",
        ("none", "always", "late"),
        lambda runs: QUARTER * (_accuracy(runs["always"]) - _accuracy(runs["none"]))
        - (_accuracy(runs["late"]) - _accuracy(runs["none"])),
    ),
    Claim(
        "late decay with the budget of always is worth more than late decay", "control", "%",
        ("late", "late, matched"),
        lambda runs: _accuracy(runs["late, matched"]) - _accuracy(runs["late"]),
    ),
    Claim(
        "late decay with the budget of always falls short of early decay", "control", "%",
        ("early", "late, matched"),
        lambda runs: _accuracy(runs["early"]) - _accuracy(runs["late, matched"]),
    ),
    Claim(
        "decay early keeps the norm below that without decay", "1", "of |w|", ("none", "early"),
        lambda runs: 1 - _norm(runs["early"]) / _norm(runs["none"]),
    ),
    Claim(
        "S(.1) puts none and late above early and always", "2", "nats", _FOUR,
        _sharper("multiplicative", "loss"),
    ),
    Claim(
        "so does S(.1) - L, without the loss itself", "control", "nats", _FOUR,
        _sharper("multiplicative", "difference"),
    ),
    Claim(
        "additive noise does not", "2", "nats", _FOUR,
        lambda runs: None if (found := _sharper("additive", "loss")(runs)) is None else -found,
    ),
    Claim(
        "weights scaled to the norms of decay always test nearly as well", "3", "%",
        ("none", "always", "none, norms of always"), _shortfall("none, norms of always"),
    ),
    Claim(
        "the steps' cross terms outweigh their square terms", "4", "of |w|^2", ("none",),
        lambda runs: float(
            np.nansum(runs["none"].evaluations[CROSS.key])
            - np.nansum(runs["none"].evaluations[SQUARE.key])
        ),
    ),
    Claim(
        "norms grow less with shuffled labels", "1", "of |w|^2", _TWO,
        lambda runs: _grown(runs["none"]) - _grown(runs["none, shuffled"]),
    ),
    Claim(
        "so they do at one learning rate", "control", "of |w|^2", _AT_ONE_RATE,
        lambda runs: _grown(runs[THAT_RATE]) - _grown(runs["none, shuffled"]),
    ),
    Claim(
        "cos(w, -grad l_pos) is positive", "5", "", ("none",),
        lambda runs: _mean(COS_POS, rows="metrics")(runs["none"]),
    ),
    Claim(
        "cos(w, -grad l_neg) is negative", "5", "", ("none",),
        lambda runs: -_mean(COS_NEG, rows="metrics")(runs["none"]),
    ),
    Claim(
        "cos(w, -grad l_pos) is smaller with shuffled labels", "5", "", _TWO,
        lambda runs: _mean(COS_POS, rows="metrics")(runs["none"])
        - _mean(COS_POS, rows="metrics")(runs["none, shuffled"]),
    ),
    Claim(
        "so it is at one learning rate", "control", "", _AT_ONE_RATE,
        lambda runs: _mean(COS_POS, rows="metrics")(runs[THAT_RATE])
        - _mean(COS_POS, rows="metrics")(runs["none, shuffled"]),
    ),
    Claim(
        "cos(w, -grad l_neg) is negative with shuffled labels", "18", "", ("none, shuffled",),
        lambda runs: -_mean(COS_NEG, rows="metrics")(runs["none, shuffled"]),
    ),
    Claim(
        "with shuffled labels weights move further than their norm grows", "8", "of |w|",
        ("none, shuffled",),
        lambda runs: _distance(runs["none, shuffled"])
        - math.sqrt(max(_grown(runs["none, shuffled"]), 0.0)),
    ),
    Claim(
        "decay in bursts of the same average costs less than a quarter of its worth", "10", "%",
        ("none", "always", "stuttered"), _shortfall("stuttered"),
    ),
    Claim(
        "late in training gradients are larger with shuffled labels", "12", "", _TWO,
        lambda runs: _mean(GRADIENT_NORM, rows="metrics", begin=0.5)(runs["none, shuffled"])
        - _mean(GRADIENT_NORM, rows="metrics", begin=0.5)(runs["none"]),
    ),
    Claim(
        "so they are at one learning rate", "control", "", _AT_ONE_RATE,
        lambda runs: _mean(GRADIENT_NORM, rows="metrics", begin=0.5)(runs["none, shuffled"])
        - _mean(GRADIENT_NORM, rows="metrics", begin=0.5)(runs[THAT_RATE]),
    ),
)  # fmt: skip


def claims_table(grid: RecordGrid, task: str, norm: str, name: str) -> Table | None:
    """A line per claim: its number over seeds, an interval, the verdict; None without a run."""
    seeds, chosen = _by_seed(grid, task, norm)
    if not seeds:
        return None
    rows, data = [], []
    for claim in CLAIMS:
        numbers = _numbers(claim, seeds)
        mean = float(np.mean(numbers)) if numbers else None
        low, high = interval(numbers)
        verdict = verdict_of(numbers)
        shown = "-" if mean is None else f"{mean:.3g} {claim.unit}".strip()
        span = "-" if low is None or high is None else f"{low:.3g} .. {high:.3g}"
        count = str(len(numbers))
        rows.append(tuple(map(cell, (claim.text, claim.source, shown, span, count, verdict))))
        data.append((claim.text, claim.source, mean, low, high, len(numbers), verdict))
    without = "" if norm == "batch" else ", without normalisation"
    return Table(
        name=name,
        title=f"{task}{without}: what became of the paper's claims",
        caption=(
            f"{task}{without}. Each claim of Bjorck et al. as a number per seed that is above 0 "
            "where it holds: its mean, and its 95 % interval by Student's t where there are "
            f"{FEWEST} seeds. Decay's worth is the test accuracy of decay always less that of "
            "none. Controls are what the paper lacks."
            + (f" Of several settings, {chosen}." if chosen else "")
        ),
        head=("claim", "Figure", "mean", "95 %", "seeds", "verdict"),
        rows=tuple(rows),
        data_head=("claim", "figure", "mean", "low", "high", "seeds", "verdict"),
        data=tuple(data),
    )


def interval(numbers: Sequence[float]) -> tuple[float | None, float | None]:
    """The 95 % interval of the mean by Student's t; None of fewer than three numbers."""
    from scipy.stats import t

    if len(numbers) < FEWEST:
        return None, None
    error = float(np.std(numbers, ddof=1)) / math.sqrt(len(numbers))
    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(numbers) - 1)) * error
    mean = float(np.mean(numbers))
    return mean - reach, mean + reach


def verdict_of(numbers: Sequence[float]) -> str:
    """`holds` or `does not hold` where the interval says so, else what can be said."""
    if not numbers:
        return "not tested"
    low, high = interval(numbers)
    if low is None or high is None:
        points = "for" if min(numbers) > 0 else "against" if max(numbers) < 0 else "both ways"
        return f"too few seeds: points {points}" if points != "both ways" else "too few seeds"
    if low > 0:
        return "holds"
    return "does not hold" if high < 0 else "undecided"


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


def _numbers(claim: Claim, seeds: Sequence[Runs]) -> list[float]:
    found = []
    for runs in seeds:
        if all(name in runs for name in claim.needs):
            number = claim.number(runs)
            if number is not None and math.isfinite(number):
                found.append(number)
    return found
