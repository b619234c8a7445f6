"""The verdict on a claim: what a number per seed, above 0 where it holds, says of it.

    holds            the 95 % interval of the mean over seeds, by Student's t, lies above 0
    does not hold    it lies below 0
    undecided        neither

Numbers that are all the same, as of an event that no run had, have no spread and so no interval:
six of them on one side of 0 are a verdict by the sign test (p = 2 / 2**6 < .05), fewer are none.

Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workload.exhibits.power import smallest_shift

CONFIDENCE = 0.95
FEWEST = 3  # seeds of which an interval is made
FEWEST_ALIKE = 6  # seeds that are a verdict where their numbers are all the same
RELATIVE, ABSOLUTE = 1e-9, 1e-12  # by which numbers may differ that are the same but for rounding
MOST_SEEDS = 1_000
UNTESTED, HOLDS, FAILS, OPEN = "not tested", "holds", "does not hold", "undecided"
FEW = "too few seeds"


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


def word_of(seeds: int, mean: float, interval: tuple[float, float] | None) -> str:
    """The verdict on at least three numbers by the interval of their mean; None where they are all
    the same."""
    alike = mean if seeds >= FEWEST_ALIKE else 0.0
    low, high = interval or (alike, alike)
    return HOLDS if low > 0 else FAILS if high < 0 else OPEN


@dataclass(frozen=True)
class Verdict:
    """A claim, and what runs say of it.

    Attributes:
        claim: the entry.
        runs: what they are of; empty of a claim that is not tested.
        word: the verdict.
        seeds: numbers that there are, one per seed.
        mean: of them; None where there are none.
        low, high: the 95 % interval of the mean by Student's t; None of fewer than three numbers,
            and where all are the same.
        seed_hours: that all runs on the same task took for a seed, by the clock; None where that is
            not known.
        page: whose verdict it is, where its runs are not at hand.
    """

    claim: Claim
    runs: str = ""
    word: str = UNTESTED
    seeds: int = 0
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    seed_hours: float | None = None
    page: str = ""

    @classmethod
    def of(
        cls, claim: Claim, runs: str, numbers: Sequence[float], seed_hours: float | None = None
    ) -> Verdict:
        """Of a number per seed, at least one."""
        seeds, mean = len(numbers), float(np.mean(numbers))
        if seeds < FEWEST:
            points = "for" if min(numbers) > 0 else "against" if max(numbers) < 0 else ""
            word = f"{FEW}: points {points}" if points else FEW
            return cls(claim, runs, word, seeds, mean, seed_hours=seed_hours)
        if max(numbers) - min(numbers) <= max(RELATIVE * abs(mean), ABSOLUTE):
            mean = mean if abs(mean) > ABSOLUTE else 0.0
            return cls(claim, runs, word_of(seeds, mean, None), seeds, mean, seed_hours=seed_hours)
        reach = _quantile(seeds) * float(np.std(numbers, ddof=1)) / math.sqrt(seeds)
        low, high = mean - reach, mean + reach
        return cls(
            claim, runs, word_of(seeds, mean, (low, high)), seeds, mean, low, high, seed_hours
        )

    @property
    def of_what(self) -> str:
        """The runs, and the page that judged them."""
        return f"{self.runs} ({self.page})" if self.page else self.runs

    @property
    def deviation(self) -> float | None:
        """Of the numbers, with the divisor seeds - 1; None where there is no interval."""
        if self.low is None or self.high is None:
            return None
        return (self.high - self.low) / 2 * math.sqrt(self.seeds) / _quantile(self.seeds)

    @property
    def decided(self) -> bool:
        """Whether it holds or does not."""
        return self.word in (HOLDS, FAILS)

    @property
    def smallest_shown(self) -> float | None:
        """The smallest mean that so many seeds, spread as these are, would have shown; see
        `smallest_shift`. None where there is no interval."""
        if self.deviation is None:
            return None
        return smallest_shift(self.seeds) * self.deviation

    @property
    def seeds_needed(self) -> int | None:
        """How many seeds would show a mean as large as the one found, spread as these are; None
        where that cannot be said, or is more than a thousand."""
        if not self.mean or self.seeds < FEWEST:
            return None
        if self.deviation is None:
            return FEWEST_ALIKE
        mean, deviation = abs(self.mean), self.deviation
        if smallest_shift(MOST_SEEDS) * deviation > mean:
            return None
        fewest, enough = 1, MOST_SEEDS
        while enough - fewest > 1:
            middle = (fewest + enough) // 2
            shown = middle > 1 and smallest_shift(middle) * deviation <= mean
            fewest, enough = (fewest, middle) if shown else (middle, enough)
        return max(enough, FEWEST)

    @property
    def more(self) -> str:
        """What would decide it: so many seeds of the same runs, or the grids of the source's size;
        of a claim that is not tested all grids that test it."""
        if not self.seeds:
            return ", ".join(self.claim.grids)
        full = ", ".join(grid for grid in self.claim.grids if not grid.endswith("-small.yaml"))
        return "; or ".join(filter(None, (self._more_seeds, full)))

    @property
    def _more_seeds(self) -> str:
        """So many seeds of the same runs, and their hours; empty where nothing speaks for any."""
        if self.word == OPEN and self.deviation is None and not self.mean:
            return ""
        needed = self.seeds_needed if self.word == OPEN else FEWEST
        seeds = f"{needed or f'over {MOST_SEEDS:,}'} seeds"
        hours = needed and self.seed_hours and needed * self.seed_hours
        return f"{seeds}, {hours:.2g} h" if hours else seeds


def _quantile(seeds: int) -> float:
    """Standard errors to either side of a mean that its interval reaches."""
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, seeds - 1))
