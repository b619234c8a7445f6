"""What papers claim, and what runs say of it: words in a file, numbers from a workload.

A workload's claims stand in `configs/claims/NAME.yaml`, an entry each. Its report computes a number
per seed and claim that is above 0 where the claim holds, and one rule makes the verdict of them:

    holds            the 95 % interval of the mean over seeds, by Student's t, lies above 0
    does not hold    it lies below 0
    undecided        neither

The rule and the numbers were written before the runs were looked at. Imports no torch.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from workload.contract import Workload
from workload.errors import UserError
from workload.exhibits.document import Table, cell
from workload.exhibits.grid import RecordGrid
from workload.exhibits.power import smallest_shift

CONFIDENCE = 0.95
FEWEST = 3  # seeds of which an interval is made
MOST_SEEDS = 1_000
WORDS = ("holds", "does not hold", "undecided", "too few seeds", "not tested")
Numbers = Mapping[str, Sequence[float]]
"""By the claim's id, a number per seed."""


@dataclass(frozen=True)
class Claim:
    """An entry of a file of claims.

    Attributes:
        id: names it.
        claim: the sentence, in our words.
        source: who claims it, and where; `control` where it is what the source lacks.
        grids: which grids have the runs that test it, of configs/grids.
        statistic: the number per seed, in words; above 0 where the claim holds.
        unit: of the number.
        scale: at which scale the source has it.
    """

    id: str
    claim: str
    source: str
    grids: tuple[str, ...]
    statistic: str
    unit: str = ""
    scale: str = ""


def read_claims(file: Path) -> list[Claim]:
    """The claims of a file, in its order; none where there is no file.

    Raises:
        UserError: an entry lacks a key, has one too many, or an id comes twice.
    """
    if not file.exists():
        return []
    entries: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    found: dict[str, Claim] = {}
    for entry in entries:
        try:
            claim = Claim(**{**entry, "grids": tuple(entry["grids"])})
        except (TypeError, KeyError) as error:
            known = ", ".join(field.name for field in fields(Claim))
            name = entry.get("id", "?") if isinstance(entry, dict) else "?"
            raise UserError(f"{file}: entry {name}: {error}; its keys are {known}") from error
        if claim.id in found:
            raise UserError(f"{file}: {claim.id} is there twice")
        found[claim.id] = claim
    return list(found.values())


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


def smallest_shown(numbers: Sequence[float]) -> float | None:
    """The smallest mean that so many seeds, spread as these are, would have shown; see
    `smallest_shift`. None of fewer than three numbers."""
    if len(numbers) < FEWEST:
        return None
    return smallest_shift(len(numbers)) * float(np.std(numbers, ddof=1))


def seeds_needed(numbers: Sequence[float]) -> int | None:
    """How many seeds would show a mean as large as the one found, spread as these are; None where
    that cannot be said, or is more than a thousand."""
    if len(numbers) < FEWEST:
        return None
    mean, deviation = abs(float(np.mean(numbers))), float(np.std(numbers, ddof=1))
    if not mean or smallest_shift(MOST_SEEDS) * deviation > mean:
        return None
    fewest, enough = 1, MOST_SEEDS
    while enough - fewest > 1:
        middle = (fewest + enough) // 2
        shown = middle > 1 and smallest_shift(middle) * deviation <= mean
        fewest, enough = (fewest, middle) if shown else (middle, enough)
    return max(enough, FEWEST)


@dataclass(frozen=True)
class Verdict:
    """A claim, and what runs say of it.

    Attributes:
        claim: the entry.
        runs: what they are of; empty of a claim that is not tested.
        numbers: one per seed.
        seed_hours: that all runs on the same task took for a seed, by the clock; None where that is
            not known.
    """

    claim: Claim
    runs: str
    numbers: tuple[float, ...]
    seed_hours: float | None = None

    @property
    def word(self) -> str:
        """See `verdict_of`."""
        return verdict_of(self.numbers)

    @property
    def mean(self) -> float | None:
        return float(np.mean(self.numbers)) if self.numbers else None

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """See `interval`."""
        return interval(self.numbers)

    @property
    def more(self) -> str:
        """What would decide it: so many seeds of the same runs, or the grids of the source's size;
        of a claim that is not tested all grids that test it."""
        if not self.numbers:
            return ", ".join(self.claim.grids)
        needed = seeds_needed(self.numbers) if self.word == "undecided" else FEWEST
        seeds = f"{needed or f'over {MOST_SEEDS:,}'} seeds"
        if needed and self.seed_hours is not None:
            seeds += f", {needed * self.seed_hours:.2g} h"
        full = ", ".join(grid for grid in self.claim.grids if not grid.endswith("-small.yaml"))
        return f"{seeds}; or {full}" if full else seeds


def counted_words(found: Iterable[Verdict]) -> str:
    """How many verdicts there are of each kind, as `holds 3, undecided 1`."""
    words = Counter(each.word.partition(":")[0] for each in found)
    return ", ".join(f"{word} {words[word]}" for word in WORDS if words[word])


def verdicts(
    workload: Workload[Any, Any],
    grids: Sequence[RecordGrid],
    seed_hours: Callable[[RecordGrid], float | None] = lambda grid: None,
) -> list[Verdict]:
    """Of each claim of a workload: once for each kind of runs that test it, or once as not tested.

    Args:
        workload: whose claims.
        grids: its runs, apart where what they have in common is told apart.
        seed_hours: that a seed of all runs of a grid took.

    Raises:
        UserError: the file of claims is damaged, or lacks one that the workload has numbers of.
    """
    claims = read_claims(workload.claims_file())
    studies = [
        (seed_hours(grid), runs, own)
        for grid in grids
        for runs, own in (workload.report.claims(grid) if workload.report.claims else {}).items()
    ]
    unknown = {each for _, _, own in studies for each in own} - {c.id for c in claims}
    if unknown:
        raise UserError(f"{workload.claims_file()} has no claim {', '.join(sorted(unknown))}")
    found = []
    for claim in claims:
        tested = [
            Verdict(claim, runs, tuple(own[claim.id]), hours)
            for hours, runs, own in studies
            if own.get(claim.id)
        ]
        found += tested or [Verdict(claim, "", ())]
    return found


def claims_table(found: Sequence[Verdict], name: str) -> Table:
    """A line per claim and kind of runs: its number over seeds, an interval, the verdict."""
    rows, data = [], []
    for each in found:
        claim, mean, (low, high), word = each.claim, each.mean, each.interval, each.word
        open_yet = word not in ("holds", "does not hold")
        smallest = smallest_shown(each.numbers)
        needed = seeds_needed(each.numbers) if word == "undecided" else None
        shown = "-" if mean is None else f"{mean:.3g} {claim.unit}".strip()
        span = "-" if low is None or high is None else f"{low:.3g} .. {high:.3g}"
        least = "-" if smallest is None or not open_yet else f"{smallest:.3g}"
        seeds = len(each.numbers)
        said = [claim.claim, f"{claim.source}. Number: {claim.statistic}."]
        said += [f"There: {claim.scale}."] if claim.scale else []
        numbers = map(cell, (shown, span, str(seeds), word, least, each.more if open_yet else "-"))
        rows.append((cell(*said), cell(each.runs or "-"), *numbers))
        known = (claim.id, claim.claim, claim.source, claim.statistic, ", ".join(claim.grids))
        data.append(
            (*known, claim.scale, each.runs, mean, low, high, seeds, word, smallest, needed)
        )
    return Table(
        name=name,
        title="What became of the claims",
        caption=(
            "Each claim as a number per seed that is above 0 where it holds: its mean, and its "
            f"95 % interval by Student's t where there are {FEWEST} seeds. It holds where that "
            "lies above 0, and does not hold where it lies below. Of what is undecided: the "
            "smallest mean that these seeds would have shown (5 %, power 80 %), how many seeds "
            "would show the mean that was found, and the hours by the clock that those of all "
            "runs on the same task take on the machine that trained these; of what is not tested, "
            "the grids that test it. Controls are what the source lacks."
        ),
        head=(
            *("claim, source, number per seed, scale of the source", "runs"),
            *("mean", "95 %", "seeds", "verdict", "smallest that would show", "would decide it"),
        ),
        rows=tuple(rows),
        data_head=(
            *("id", "claim", "source", "statistic", "grids", "scale", "runs"),
            *("mean", "low", "high", "seeds", "verdict", "smallest_shown", "seeds_needed"),
        ),
        data=tuple(data),
    )
