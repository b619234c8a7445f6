"""One trained member of a study: its weight decay and seed, its log, its end. Imports no torch."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from shared_optim.schedules import parse_schedule
from shared_optim.schemes import BASELINE, SCHEMES, decaying
from workload.errors import ConfigError
from workload.wording import either

SEED_LIMIT = 2**63 - 1


def check_schedule(text: str) -> None:
    """Raise ConfigError unless `text` is a value of the key `decay_schedule`."""
    try:
        parse_schedule(text)
    except ValueError:
        raise ConfigError(
            f"decay_schedule: {text!r} is none of always, early:T, late:T, stuttered:K, skipped:K "
            "with T and K whole numbers of updates, e.g. early:100000, or of epochs, early:50epochs"
        ) from None


@dataclass(frozen=True, order=True)
class Member:
    """What is one member's own. `weight_decay` is lambda; 0 only with `none`."""

    scheme: str
    weight_decay: float
    seed: int

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise ConfigError(f"scheme: {self.scheme!r} is none of {', '.join(SCHEMES)}")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ConfigError(
                f"weight_decay: {self.weight_decay} is not a finite number >= 0, e.g. 1e-4"
            )
        if self.scheme == BASELINE and self.weight_decay:
            raise ConfigError(
                f"weight_decay: {self.weight_decay:g} has no meaning for scheme {BASELINE}; "
                f"leave it out or choose {either(decaying())}"
            )
        if self.scheme != BASELINE and not self.weight_decay:
            raise ConfigError(
                f"weight_decay: scheme {self.scheme} needs a value above 0, e.g. 1e-4; "
                f"without decay the scheme is {BASELINE}"
            )
        if self.seed < 0:
            raise ConfigError(f"seed: {self.seed} is negative")
        if self.seed > SEED_LIMIT:
            raise ConfigError(f"seed: {self.seed} is above 2^63 - 1, the largest that tables hold")

    @property
    def name(self) -> str:
        """`none` or e.g. `separated-1e-4`: the scheme and lambda as paths and legends show them."""
        if self.scheme == BASELINE:
            return BASELINE
        mantissa, exponent = f"{self.weight_decay:e}".split("e")
        return f"{self.scheme}-{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"

    @property
    def label(self) -> str:
        """E.g. `separated-1e-4/seed0`, as displays show it."""
        return f"{self.name}/seed{self.seed}"


class RunLog(Protocol):
    """Where a member's rows go; the suite provides it."""

    path: Path

    def metrics(self, row: dict[str, Any]) -> None:
        """Append a row of metrics."""

    def evaluation(self, row: dict[str, Any]) -> None:
        """Append a row at the end of an iteration or epoch."""

    def own(self, file: str, row: dict[str, Any]) -> None:
        """Append a row to one of the workload's ROW_FILES."""

    def remark(self, text: str) -> None:
        """Say, and have in the run's record, what an undisturbed run would not have."""

    def offsets(self) -> dict[str, int]:
        """How much is written, by file, for a checkpoint."""

    def rewind(self, offsets: dict[str, int]) -> None:
        """Cut back to these offsets; `{}` empties. Rows that are gone are told, not asked for."""


@dataclass(frozen=True)
class Outcome:
    """How a member ended, with the last value of each of its figures."""

    status: Literal["finished", "interrupted", "diverged"]
    figures: dict[str, float] = field(default_factory=dict)
