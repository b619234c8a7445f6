"""Learning rates over a training, as functions of the update. Imports no torch.

All begin with a linear warm-up, where one is asked for, and differ in what follows it:

    f(u) = peak*u/warm_up    for u < warm_up, u = 0, 1, 2, ... the updates that were done before
    f(u) = peak*shape(u)     from there on, shape(u) <= 1

So the first update of a warm-up has a learning rate of 0: m and v are fed, no weight moves.

torch's LambdaLR multiplies the optimizer's lr with such a function:

    optimizer = WeightDecayAdam(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, Cosine(10_000, warm_up=400))
    ...
    optimizer.step()
    scheduler.step()
"""

import itertools
import math
import re
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import Any

from shared_optim.schedules import count


@dataclass(frozen=True)
class LearningRate(ABC):
    """alpha, or a factor of it, as a function of the updates done before.

    Args:
        warm_up: updates over which it rises linearly from 0.
        peak: its largest value: 1 makes it a factor of the optimizer's lr, alpha makes it alpha.

    Raises ValueError for a number that is out of range, here and in the functions below.
    """

    _: KW_ONLY
    warm_up: int = 0
    peak: float = 1.0

    def __post_init__(self) -> None:
        if self.warm_up < 0:
            raise ValueError(f"warm_up: {self.warm_up} is negative")
        if not 0 < self.peak < math.inf:
            raise ValueError(f"peak: {self.peak} is not a finite number above 0")

    def __call__(self, update: int) -> float:
        if update < self.warm_up:
            return self.peak * update / self.warm_up
        return self.peak * self.shape(update)

    @abstractmethod
    def shape(self, update: int) -> float:
        """f/peak at an update after the warm-up."""

    def total(self, start: int, stop: int) -> float:
        """The sum of f(u) over start <= u < stop."""
        stop = max(start, stop)
        turn = min(max(start, self.warm_up), stop)
        rising = (_triangle(turn) - _triangle(start)) / self.warm_up if self.warm_up else 0.0
        return self.peak * (rising + self.shape_total(turn, stop))

    def shape_total(self, start: int, stop: int) -> float:
        """The sum of the shape over start <= u < stop, after the warm-up."""
        return math.fsum(self.shape(update) for update in range(start, stop))


def _triangle(n: int) -> float:
    """0 + 1 + ... + (n-1)."""
    return n * (n - 1) / 2


@dataclass(frozen=True)
class Constant(LearningRate):
    """shape = 1."""

    def shape(self, update: int) -> float:
        return 1.0

    def shape_total(self, start: int, stop: int) -> float:
        return float(stop - start)


@dataclass(frozen=True)
class InverseSquareRoot(LearningRate):
    """shape = sqrt(warm_up/u): fairseq's `inverse_sqrt`; 1/sqrt(u) where there is no warm-up.

    Source: Vaswani et al., "Attention is all you need", NeurIPS 2017.
    """

    def shape(self, update: int) -> float:
        return math.sqrt(max(self.warm_up, 1) / max(update, 1))


@dataclass(frozen=True)
class Cosine(LearningRate):
    """shape = final + (1-final)*(1+cos(pi*p))/2, p from 0 after the warm-up to 1 at `updates`.

    Args:
        updates: the length of the training, warm-up included; the shape stays `final` afterwards.
        final: the last value, as a share of the peak.

    Source: Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts.
    """

    updates: int
    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_end(self.updates, self.warm_up, "the warm-up's end")
        _check_share("final", self.final)

    def shape(self, update: int) -> float:
        progress = (update - self.warm_up) / (self.updates - self.warm_up)
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2

    def shape_total(self, start: int, stop: int) -> float:
        end = min(max(start, self.updates), stop)
        steps = end - start
        angle = math.pi / (self.updates - self.warm_up)
        middle = angle * (start - self.warm_up + (steps - 1) / 2)
        # Lagrange's identity for a sum of cosines at equal distances
        cosines = math.sin(steps * angle / 2) / math.sin(angle / 2) * math.cos(middle)
        falling = self.final * steps + (1 - self.final) * (steps + cosines) / 2
        return falling + self.final * (stop - end)


@dataclass(frozen=True)
class Exponential(LearningRate):
    """shape = factor^floor(u/every): times `factor` after each epoch.

    Args:
        factor: from 0 to 1.
        every: updates per epoch; 1 lets it fall at each update.
    """

    factor: float
    every: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_share("factor", self.factor)
        if self.every < 1:
            raise ValueError(f"every: {self.every} is not above 0")

    def shape(self, update: int) -> float:
        return self.factor ** (update // self.every)

    def shape_total(self, start: int, stop: int) -> float:
        epochs = range(start // self.every, -(-stop // self.every))
        return math.fsum(
            self.factor**epoch
            * (min(stop, (epoch + 1) * self.every) - max(start, epoch * self.every))
            for epoch in epochs
        )


@dataclass(frozen=True)
class Steps(LearningRate):
    """shape = factor^(how many of `at` are <= u).

    Args:
        factor: from 0 to 1.
        at: updates from which on it is smaller by the factor, in order.
    """

    factor: float
    at: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_share("factor", self.factor)
        if not self.at or list(self.at) != sorted(set(self.at)) or self.at[0] < 0:
            raise ValueError(f"at: {self.at} are no updates in rising order")

    def shape(self, update: int) -> float:
        return float(self.factor ** sum(place <= update for place in self.at))

    def shape_total(self, start: int, stop: int) -> float:
        inside = [place for place in self.at if start < place < stop]
        edges = [start, *inside, stop]
        pieces = itertools.pairwise(edges)
        return math.fsum(self.shape(left) * (right - left) for left, right in pieces)


@dataclass(frozen=True)
class WarmUpStableDecay(LearningRate):
    """shape = 1 until `decay` updates before the end, then linear down to `final` at `updates`.

    With `decay` all that follows the warm-up it is the linear decay of most language models.

    Args:
        updates: the length of the training, warm-up included; the shape stays `final` afterwards.
        decay: updates over which it falls.
        final: the last value, as a share of the peak.

    Source: Hu et al., "MiniCPM", 2024.
    """

    updates: int
    decay: int
    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_end(self.updates, self.warm_up, "the warm-up's end")
        _check_share("final", self.final)
        if not 0 < self.decay <= self.updates - self.warm_up:
            raise ValueError(
                f"decay: {self.decay} is not from 1 to the {self.updates - self.warm_up} updates "
                "after the warm-up"
            )

    def shape(self, update: int) -> float:
        left = min(max(self.updates - update, 0), self.decay)
        return self.final + (1 - self.final) * left / self.decay

    def shape_total(self, start: int, stop: int) -> float:
        falls = self.updates - self.decay
        stable = max(min(stop, falls) - start, 0)
        first, end = (min(max(u, falls), self.updates) for u in (start, stop))
        left = _triangle(self.updates - first + 1) - _triangle(self.updates - end + 1)
        return stable + self.final * (stop - start - stable) + (1 - self.final) * left / self.decay


def _check_end(updates: int, after: int, what: str) -> None:
    if updates <= after:
        raise ValueError(f"updates: {updates} is not after {what}, {after}")


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: {value} is not from 0 to 1")


_NUMBER = r"[0-9]*\.?[0-9]+(?:e-?[0-9]+)?"
_COUNT = r"[1-9][0-9]*(?:epochs)?"
_FORMS = {
    "constant": "",
    "inverse_sqrt": "",
    "cosine": rf"(?::(?P<final>{_NUMBER}))?",
    "exponential": rf":(?P<factor>{_NUMBER})",
    "steps": rf":(?P<factor>{_NUMBER})@(?P<at>{_COUNT}(?:,{_COUNT})*)",
    "wsd": rf":(?P<decay>{_COUNT})(?::(?P<final>{_NUMBER}))?",
}


def parse_learning_rate(
    text: str, *, updates: int, updates_per_epoch: int, warm_up: int = 0, peak: float = 1.0
) -> LearningRate:
    """The function that a recipe names, e.g. `cosine` or `steps:0.1@80epochs,120epochs`.

        constant
        inverse_sqrt
        cosine[:FINAL]             FINAL as a share of the peak, else 0
        exponential:FACTOR         times FACTOR after each epoch
        steps:FACTOR@T,...         times FACTOR from each T on
        wsd:DECAY[:FINAL]          falls over the last DECAY

    T and DECAY are updates, or epochs as `80epochs`.

    Args:
        text: one of these forms.
        updates: the length of the training, warm-up included.
        updates_per_epoch: what an epoch means.
        warm_up, peak: see `LearningRate`.

    Raises ValueError for any other text, and for numbers that are out of range.
    """
    name = text.partition(":")[0]
    found = re.fullmatch(name + _FORMS[name], text) if name in _FORMS else None
    if not found:
        raise ValueError(
            f"learning rate: {text!r} is none of constant, inverse_sqrt, cosine[:FINAL], "
            "exponential:FACTOR, steps:FACTOR@T,..., wsd:DECAY[:FINAL] with T and DECAY in updates "
            "or epochs, e.g. steps:0.1@80epochs,120epochs"
        )
    given = {key: value for key, value in found.groupdict().items() if value}
    common: dict[str, Any] = {"warm_up": warm_up, "peak": peak}
    final, factor = (float(given.get(key, 0.0)) for key in ("final", "factor"))
    match name:
        case "constant":
            return Constant(**common)
        case "inverse_sqrt":
            return InverseSquareRoot(**common)
        case "cosine":
            return Cosine(updates, final, **common)
        case "exponential":
            return Exponential(factor, updates_per_epoch, **common)
        case "steps":
            at = tuple(count(each, updates_per_epoch) for each in given["at"].split(","))
            return Steps(factor, at, **common)
        case _:
            decay = count(given["decay"], updates_per_epoch)
            return WarmUpStableDecay(updates, decay, final, **common)
