"""A run as tables and figures see it: read once, kept small."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workload.member import Member

Columns = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Record:
    """One run.

    Attributes:
        path: its directory.
        workload: the workload's name.
        task: what it is trained on, by its last name; `full_task` as the recipe has it.
        recipe, member: the configuration as typed values; `values`: the recipe's by key.
        status: `finished`, `diverged`, `failed` or `unfinished`; `missing` where a grid names a run
            that is not on disk.
        error: the last error of a failed run.
        length: iterations or epochs that its recipe asks for.
        length_is_free: whether what it computed up to a step does not depend on that.
        compared_at: the length that it is cut to, because others are shorter; None for its own.
        scores: the run's value per key of the report's scores; empty where tables do not count it.
        stands_in: whether the score is of the fallback's key.
        newest: the newest number of each key that a table shows, where there is one.
        signatures: how scores were counted, by key.
        step, epoch_key: keys of the x axis, and of the number of the iteration or epoch.
        evaluations: rows at the end of an iteration or epoch: its number, the step, curves.
        metrics: rows during training, thinned out: the step, curves and other columns that they
            may have, the optimizer's figures.
        diverged_at: step of the row that says so.
    """

    path: Path
    workload: str
    task: str
    full_task: str
    recipe: Any
    member: Member
    values: Mapping[str, Any]
    status: str
    error: str | None
    length: int
    length_is_free: bool
    compared_at: int | None
    scores: Mapping[str, float]
    stands_in: bool
    newest: Mapping[str, float]
    signatures: Mapping[str, str]
    step: str
    epoch_key: str
    evaluations: Columns
    metrics: Columns
    diverged_at: float | None

    @property
    def diverged(self) -> bool:
        """Whether its weights became infinite or no numbers, within what is compared."""
        return self.status == "diverged" and not self.scores

    @property
    def compared_length(self) -> int:
        """The length of what is compared."""
        return self.length if self.compared_at is None else self.compared_at

    @property
    def decay(self) -> str:
        """lambda as paths show it, e.g. `1e-4`; `-` without decay."""
        scheme, _, decay = self.member.name.partition("-")
        return decay if scheme == self.member.scheme and decay else "-"

    def end_of(self, length: int) -> float | None:
        """The step at which so many iterations or epochs had ended; None where they have not."""
        numbers = self.evaluations[self.epoch_key]
        known = np.unique(numbers[np.isfinite(numbers)])
        if len(known) < length:
            return None
        return float(self.evaluations[self.step][numbers == known[length - 1]].max())

    def column(self, rows: Columns, key: str) -> tuple[list[float], list[float]]:
        """Steps and values of a key, of the rows that have a number there."""
        if key not in rows:
            return [], []
        known = np.isfinite(rows[key])
        steps: list[float] = rows[self.step][known].tolist()
        values: list[float] = rows[key][known].tolist()
        return steps, values
