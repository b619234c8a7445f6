"""Runs arranged as in the paper: a row per scheme and lambda, a column per game or corpus."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from suite.report.records import Record, printable
from suite.shown import differing, subject, values

SCHEMES = ("none", "l2", "decoupled", "separated")
SCHEDULE = "decay_schedule"


@dataclass(frozen=True)
class Row:
    """What is compared: a scheme, a lambda, and the recipe's values in which the runs differ."""

    scheme: str
    weight_decay: float
    decay: str
    extras: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[bool, float, int, tuple[str, ...]]:
        """`none` first, then from the largest lambda down, as the paper prints its table."""
        place = SCHEMES.index(self.scheme)
        return self.scheme != "none", -self.weight_decay, place, self.extras

    def label(self, keys: Sequence[str]) -> str:
        """E.g. `l2 1e-3 decay_schedule=early:1000`."""
        parts = [self.scheme, *([self.decay] if self.weight_decay else [])]
        return " ".join([*parts, *map("=".join, zip(keys, self.extras, strict=True))])


@dataclass(frozen=True)
class Summary:
    """The finished runs of a cell, and how many there are of which kind.

    Attributes:
        scores: one per finished run, in the order of the seeds.
        present: runs on disk, whatever became of them.
        diverged: those among them whose weights became infinite or no numbers.
    """

    scores: tuple[float, ...]
    present: int
    diverged: int

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
        return f"{len(self.scores)}/{self.present}{diverged}"


@dataclass(frozen=True)
class Grid:
    """All runs of one workload.

    Attributes:
        keys: keys of the recipe, but the subject's, in which the runs differ.
        subjects: games or corpora, by name.
        step: key of the rows' x axis.
        rows: in the order of the tables.
        runs: the records of a row and a subject, by seed.
    """

    keys: tuple[str, ...]
    subjects: tuple[str, ...]
    step: str
    rows: tuple[Row, ...]
    runs: dict[tuple[Row, str], tuple[Record, ...]]

    @classmethod
    def of(cls, records: Sequence[Record]) -> "Grid":
        keys = tuple(differing([record.run for record in records]))
        names = _subjects(records)
        found: dict[tuple[Row, str], list[Record]] = {}
        for record, name in zip(records, names, strict=True):
            member = record.member
            extras = tuple(map(printable, values(record.run, keys)))
            row = Row(member.scheme, float(member.weight_decay), record.decay, extras)
            found.setdefault((row, name), []).append(record)
        rows = {row for row, _ in found}
        return cls(
            keys=keys,
            subjects=tuple(sorted(set(names))),
            step=records[0].workload.STEP,
            rows=tuple(sorted(rows, key=lambda row: row.order)),
            runs={
                place: tuple(sorted(cell, key=lambda record: record.member.seed))
                for place, cell in found.items()
            },
        )

    def at(self, row: Row, subject: str) -> tuple[Record, ...]:
        """The runs of a cell; none where nothing was trained."""
        return self.runs.get((row, subject), ())

    def summary(self, row: Row, subject: str, key: str) -> Summary:
        """The scores under a key of the workload's SCORES."""
        runs = self.at(row, subject)
        return Summary(
            scores=tuple(run.scores[key] for run in runs if run.finished),
            present=len(runs),
            diverged=sum(run.status == "diverged" for run in runs),
        )

    def file_name(self, subject: str) -> str:
        """The subject as part of the name of a file, another one for each."""
        names = [re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-")[:40] for name in self.subjects]
        place = self.subjects.index(subject)
        unique = names[place] and names.count(names[place]) == 1
        return names[place] if unique else f"{names[place]}-{place + 1}"

    def rows_of(self, subject: str) -> list[Row]:
        """The rows that have a run, finished or not, of a subject."""
        return [row for row in self.rows if self.at(row, subject)]

    def partner(self, row: Row) -> Row | None:
        """The `none` that a row is compared with: equal but for what only decay has."""
        if row.scheme == "none":
            return None
        wanted = self._without_schedule(row)
        others = (r for r in self.rows if r.scheme == "none")
        return next((r for r in others if self._without_schedule(r) == wanted), None)

    def _without_schedule(self, row: Row) -> list[str]:
        pairs = zip(self.keys, row.extras, strict=True)
        return [value for key, value in pairs if key != SCHEDULE]


def _subjects(records: Sequence[Record]) -> list[str]:
    """Games, or corpora by their last name; in full where two folders end in the same."""
    short = [printable(subject(record.run)) for record in records]
    recipes = [(record.run.config["recipe"], record.workload.SUBJECT) for record in records]
    full = [printable(str(recipe[key])) for recipe, key in recipes]
    folders: dict[str, set[str]] = {}
    for name, folder in zip(short, full, strict=True):
        folders.setdefault(name, set()).add(folder)
    return [
        folder if len(folders[name]) > 1 else name for name, folder in zip(short, full, strict=True)
    ]
