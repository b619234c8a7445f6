"""Verdicts of a page that `wdbench claims --out` has written, whose runs are elsewhere or gone."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.registry import AnyWorkload
from workload.claims import WORDS, read_claims
from workload.errors import UserError
from workload.verdict import FEWEST, Claim, Verdict
from workload.wording import counted

COLUMNS = ("id", "runs", "verdict", "seeds", "mean", "deviation", "seed_hours")


@dataclass(frozen=True)
class EarlierPage:
    """A page's folder, of which `tables/claims_WORKLOAD.csv` are read.

    Attributes:
        folder: as it was named.
    """

    folder: Path

    @property
    def name(self) -> str:
        """By which its runs are told from others."""
        return self.folder.resolve().name

    @classmethod
    def open(cls, folder: Path) -> "EarlierPage":
        """Raises UserError where no page of claims is there."""
        if not any((folder / "tables").glob("claims_*.csv")):
            raise UserError(
                f"--with: {folder} has no tables/claims_*.csv; name a folder that "
                "`wdbench claims RUNS --out FOLDER` has written"
            )
        return cls(folder)

    def verdicts(self, workload: AnyWorkload) -> list[Verdict]:
        """Those on a workload's claims that runs have tested, their runs followed by the page's
        name; none where the page has no table of the workload.

        Raises:
            UserError: the table is damaged, or has a claim that is not followed.
        """
        file = self.folder / "tables" / f"claims_{workload.NAME}.csv"
        if not file.exists():
            return []
        claims = {claim.id: claim for claim in read_claims(workload.claims_file())}
        try:
            with file.open(encoding="utf-8", newline="") as stream:
                reader = csv.DictReader(stream, strict=True)
                rows = list(reader)
                missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"--with: {file} cannot be read: {error}") from error
        if missing:
            raise UserError(
                f"--with: {file} lacks {', '.join(missing)}: write it anew from its runs with "
                "`wdbench claims RUNS --out FOLDER`"
            )
        found = []
        for line, row in enumerate(rows, 2):
            if row["id"] not in claims:
                raise UserError(
                    f"--with: {file}, row {line}: {workload.claims_file()} has no claim {row['id']}"
                )
            try:
                verdict = self._verdict(claims[row["id"]], row)
            except (TypeError, ValueError) as error:
                raise UserError(f"--with: {file}, row {line}: {error}") from error
            found += [verdict] if verdict.seeds else []
        return found

    def told(self, verdicts: Sequence[Verdict]) -> str:
        """A paragraph on what was taken over."""
        return (
            f"{counted(len(verdicts), 'verdict')} of {self.name}, whose runs are described "
            f"there: {self.folder}/provenance.md."
        )

    def _verdict(self, claim: Claim, row: dict[str, str]) -> Verdict:
        if None in row.values() or None in row:
            raise ValueError("it has not as many fields as the table has columns")
        seeds = int(row["seeds"])
        mean, deviation, hours = (
            float(row[key]) if row[key] else None for key in ("mean", "deviation", "seed_hours")
        )
        if (mean is None and seeds > 0) or (deviation is None and seeds >= FEWEST):
            raise ValueError(
                f"mean {row['mean']!r}, deviation {row['deviation']!r}: not of {seeds} seeds"
            )
        if not all(value is None or math.isfinite(value) for value in (mean, deviation, hours)):
            raise ValueError("mean, deviation and seed_hours are finite numbers, or empty")
        if row["verdict"].partition(":")[0] not in WORDS:
            raise ValueError(f"verdict: {row['verdict']!r} is none of {', '.join(WORDS)}")
        runs = f"{row['runs']} ({self.name})"
        return Verdict(claim, runs, row["verdict"], seeds, mean, deviation, hours)
