"""How much each scheme adds to a step: lambda, its schedule and the learning rate, in float64."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared_optim.schemes import SCHEMES, TERMS, Terms


@dataclass(frozen=True)
class MemberDecay:
    """One member's decay.

    Attributes:
        lambdas: (name of the scheme, lambda) of those that are not 0.
        multiplier: s_t from t.
    """

    lambdas: tuple[tuple[str, float], ...]
    multiplier: Callable[[int], float]

    @functools.cached_property
    def largest(self) -> float:
        """The lambda that stands for all; that inside the gradient goes first."""
        return self.inside or max((value for _, value in self.lambdas), default=0.0)

    @functools.cached_property
    def inside(self) -> float:
        """The sum of those lambdas whose decay is added to the gradient."""
        return sum(value for name, value in self.lambdas if SCHEMES[name].in_gradient)

    def terms(self, t: int, alpha: float, peak: float) -> Terms:
        """What decay adds to step t at learning rate alpha, of all schemes together.

        Raises ValueError where the schedule gives no finite number.
        """
        multiplier = float(self.multiplier(t))
        if not math.isfinite(multiplier):
            raise ValueError(f"schedule: s_{t} = {multiplier} is not a finite number")
        found = [
            SCHEMES[name].formula(multiplier * value, alpha, peak) for name, value in self.lambdas
        ]
        return found[0] if len(found) == 1 else _sum(found)


def _sum(terms: Sequence[Terms]) -> Terms:
    return Terms(**{name: math.fsum(getattr(each, name) for each in terms) for name in TERMS})


@dataclass(frozen=True)
class Shrink:
    """The terms of a step that act on theta itself, as every rule's formula has them:

        theta - (change*kept_change + decoupled*theta)    decoupled_aligned where the step agrees

    This is (theta - change - shrink*theta - ...)/(1 + divisor) with one rounding of theta: a
    factor 1/(1 + divisor) on theta itself would be 1 in float32 for a divisor below 6e-8.

    Attributes:
        kept_change: 1/(1 + divisor).
        decoupled: what theta falls by.
        kept: 1 - decoupled.
        decoupled_aligned, kept_aligned: the same where the step agrees.
        stable: what it falls by beyond that, times the root of the mean of v^.
    """

    kept_change: float
    decoupled: float
    kept: float
    decoupled_aligned: float
    kept_aligned: float
    stable: float

    @classmethod
    def of(cls, terms: Terms) -> Shrink:
        """From a step's terms, in float64."""
        kept_change = 1 / (1 + terms.divisor)
        decoupled = terms.shrink * kept_change + terms.divisor * kept_change
        decoupled_aligned = decoupled + terms.aligned * kept_change
        return cls(
            kept_change=kept_change,
            decoupled=decoupled,
            kept=1 - decoupled,
            decoupled_aligned=decoupled_aligned,
            kept_aligned=1 - decoupled_aligned,
            stable=terms.stable * kept_change,
        )
