"""Runs arranged as in the paper: a row per scheme and lambda, a column per game or corpus."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shared_optim.schemes import BASELINE, decaying, order
from workload.exhibits.labels import differing, printable, values
from workload.exhibits.record import Record
from workload.report import Report

if TYPE_CHECKING:
    from workload.contract import Workload

SCHEDULE = "decay_schedule"


@dataclass(frozen=True)
class Row:
    """What is compared: a scheme, a lambda, and the recipe's values in which the runs differ."""

    scheme: str
    weight_decay: float
    decay: str
    extras: tuple[str, ...] = ()

    @property
    def sort_key(self) -> tuple[bool, float, int, tuple[str, ...]]:
        """`none` first, then from the largest lambda down, as the paper prints its table."""
        return self.scheme != BASELINE, -self.weight_decay, order(self.scheme), self.extras

    def label(self, keys: Sequence[str]) -> str:
        """E.g. `l2 1e-3 decay_schedule=early:1000`."""
        parts = [self.scheme, *([self.decay] if self.weight_decay else [])]
        return " ".join([*parts, *settings(keys, self.extras)])


def settings(keys: Sequence[str], extras: Sequence[str]) -> list[str]:
    """E.g. `decay_schedule=early:1000`, of the keys that have a value."""
    return [f"{key}={value}" for key, value in zip(keys, extras, strict=True) if value]


@dataclass(frozen=True)
class Summary:
    """The finished runs of a cell, and how many there are of which kind.

    Attributes:
        scores: one per finished run, in the order of the seeds.
        present: runs on disk, whatever became of them.
        diverged: those among them whose weights became infinite or no numbers.
        planned: runs that there should be.
    """

    scores: tuple[float, ...]
    present: int
    diverged: int
    planned: int

    @property
    def mean(self) -> float | None:
        return float(np.mean(self.scores)) if self.scores else None

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation over seeds (n - 1); None of fewer than two."""
        return float(np.std(self.scores, ddof=1)) if len(self.scores) > 1 else None

    @property
    def seeds(self) -> str:
        """E.g. `2/3` or `2/3, 1 diverged`."""
        diverged = f", {self.diverged} diverged" if self.diverged else ""
        return f"{len(self.scores)}/{self.planned}{diverged}"

    @property
    def complete(self) -> bool:
        """Whether every run that there should be has finished."""
        return len(self.scores) == self.planned > 0


@dataclass(frozen=True)
class RecordGrid:
    """All runs of one workload.

    Attributes:
        report: what the workload tells of its results.
        keys: keys of the recipe, but the task's, in which the runs differ as they are compared.
        tasks: games or corpora, by name.
        step: key of the rows' x axis; `epoch_key` of the iterations' or epochs' number.
        last: newest evaluations whose mean is a score, where a score is a mean.
        rows: in the order of the tables.
        runs: the records of a row and a task, by seed.
        planned: whether they are all that a grid file names, those among them that are not on
            disk; else every cell should have as many seeds as the one that has most.
    """

    report: Report
    keys: tuple[str, ...]
    tasks: tuple[str, ...]
    step: str
    epoch_key: str
    last: int
    rows: tuple[Row, ...]
    runs: dict[tuple[Row, str], tuple[Record, ...]]
    planned: bool = False

    @classmethod
    def of(
        cls,
        records: Sequence[Record],
        workload: "Workload[Any, Any]",
        last: int,
        *,
        planned: bool = False,
    ) -> Self:
        """Arrange the records of one workload.

        Args:
            records: at least one.
            workload: theirs.
            last, planned: as in Attributes.
        """
        length = workload.LENGTH_KEY
        recipes = [{**record.values, length: record.compared_length} for record in records]
        free = all(record.length_is_free for record in records)  # then a task has one length
        keys = tuple(differing(recipes, {workload.TASK_KEY, *([length] if free else [])}))
        names = _tasks(records)
        found: dict[tuple[Row, str], list[Record]] = {}
        for record, recipe, name in zip(records, recipes, names, strict=True):
            member = record.member
            extras = tuple(map(printable, values(recipe, keys)))
            row = Row(member.scheme, float(member.weight_decay), record.decay, extras)
            found.setdefault((row, name), []).append(record)
        rows = {row for row, _ in found}
        return cls(
            report=workload.report,
            keys=keys,
            tasks=tuple(sorted(set(names))),
            step=records[0].step,
            epoch_key=records[0].epoch_key,
            last=last,
            rows=tuple(sorted(rows, key=lambda row: row.sort_key)),
            runs={
                key: tuple(sorted(cell, key=lambda record: record.member.seed))
                for key, cell in found.items()
            },
            planned=planned,
        )

    def at(self, row: Row, task: str) -> tuple[Record, ...]:
        """The runs of a cell; none where nothing was trained."""
        return self.runs.get((row, task), ())

    def summary(self, row: Row, task: str, key: str) -> Summary:
        """The values under the key of one of the report's scores."""
        runs = self.at(row, task)
        return Summary(
            scores=tuple(run.scores[key] for run in runs if key in run.scores),
            present=sum(run.status != "missing" for run in runs),
            diverged=sum(run.diverged for run in runs),
            planned=len(runs) if self.planned else max(map(len, self.runs.values())),
        )

    def file_name(self, task: str) -> str:
        """The task as part of the name of a file, another one for each."""
        names = [re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-")[:40] for name in self.tasks]
        index = self.tasks.index(task)
        unique = names[index] and names.count(names[index]) == 1
        return names[index] if unique else f"{names[index]}-{index + 1}"

    def rows_of(self, task: str) -> list[Row]:
        """The rows that have a run, finished or not, of a task."""
        return [row for row in self.rows if self.at(row, task)]

    def partner(self, row: Row) -> Row | None:
        """The `none` that a row is compared with: equal but for what only decay has."""
        if row.scheme == BASELINE:
            return None
        others = (r for r in self.rows if r.scheme == BASELINE)
        mine = self._without_schedule(row)
        return next((r for r in others if self._without_schedule(r) == mine), None)

    def _without_schedule(self, row: Row) -> list[str]:
        pairs = zip(self.keys, row.extras, strict=True)
        return [value for key, value in pairs if key != SCHEDULE]


def panel_rows(grid: RecordGrid, task: str) -> list[tuple[str, list[Row]]]:
    """A panel per scheme with decay, `none` in each as the reference; alone where it is alone."""
    return by_scheme(grid.rows_of(task))


def by_scheme(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """The rows of each scheme with decay, those of `none` before them; `none` where it is alone."""
    plain = [row for row in rows if row.scheme == BASELINE]
    decayed = [(scheme, [r for r in rows if r.scheme == scheme]) for scheme in decaying()]
    panels = [(scheme, [*plain, *own]) for scheme, own in decayed if own]
    return panels or [(BASELINE, plain)]


def _tasks(records: Sequence[Record]) -> list[str]:
    """Tasks by their last name; in full where two folders end in the same."""
    folders: dict[str, set[str]] = {}
    for record in records:
        folders.setdefault(record.task, set()).add(record.full_task)
    return [
        record.full_task if len(folders[record.task]) > 1 else record.task for record in records
    ]
