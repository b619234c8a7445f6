"""Verdicts of pages that `wdbench claims --out` has written, whose runs are elsewhere or gone."""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.registry import AnyWorkload, names
from suite.results.report_files import PROVENANCE
from workload.claims import read_claims
from workload.errors import UserError
from workload.verdict import FEW, FEWEST, UNTESTED, Claim, Verdict, word_of

COLUMNS = ("id", "statistic", "runs", "verdict", "seeds", "mean", "low", "high")
OF_FEW = (FEW, f"{FEW}: points for", f"{FEW}: points against")


def taken_over(pages: Sequence["EarlierPage"], workload: AnyWorkload) -> list[Verdict]:
    """The verdicts of all pages on a workload's claims, each once.

    Raises:
        UserError: a page cannot be read, or two verdicts on one claim and the same runs differ.
    """
    found: dict[tuple[str, str, str], Verdict] = {}
    for page in pages:
        for verdict in page.verdicts(workload):
            key = verdict.claim.id, verdict.runs, verdict.page
            if found.setdefault(key, verdict) != verdict:
                raise UserError(
                    f"--with: {page.folder}: there is another verdict on {verdict.claim.id} by "
                    f"{verdict.of_what}; leave one out, or rename its folder"
                )
    return list(found.values())


@dataclass(frozen=True)
class EarlierPage:
    """A page's folder, of which `tables/claims_WORKLOAD.csv` are read.

    Attributes:
        folder: as it was named.
    """

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> "EarlierPage":
        """Raises UserError where no page of claims is there."""
        page = cls(folder)
        if not any(page.table(name).is_file() for name in names()):
            raise UserError(
                f"--with: {folder} has no {page.table('NAME').relative_to(folder)} of a workload; "
                "name a folder that `wdbench claims RUNS --out FOLDER` has written"
            )
        return page

    @property
    def name(self) -> str:
        """By which its runs are told from others."""
        return self.folder.resolve().name

    def table(self, workload: str) -> Path:
        return self.folder / "tables" / f"claims_{workload}.csv"

    def provenance(self) -> str:
        """What it says of its runs, as Markdown under its name."""
        try:
            text = (self.folder / PROVENANCE).read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = f"It has no {PROVENANCE}."
        return f"# {self.name}\n\n{text}"

    def verdicts(self, workload: AnyWorkload) -> Iterator[Verdict]:
        """Those on a workload's claims that runs have tested; none where the page has no table of
        the workload.

        Raises:
            UserError: the table is damaged, or has a claim that is not followed or was then
                turned into another number.
        """
        file = self.table(workload.NAME)
        if not file.exists():
            return
        claims = {claim.id: claim for claim in read_claims(workload.claims_file())}
        for line, row in enumerate(_rows(file), 2):
            if row["id"] not in claims:
                raise UserError(
                    f"--with: {file}, row {line}: {workload.claims_file()} has no claim {row['id']}"
                )
            claim = claims[row["id"]]
            if row["statistic"] != claim.statistic:
                raise UserError(
                    f"--with: {file}, row {line}: {claim.id} was another number there "
                    f"({row['statistic']!r}, and now {claim.statistic!r}); judge its runs anew, or "
                    "take the row out"
                )
            try:
                verdict = self._verdict(claim, row)
            except ValueError as error:
                raise UserError(f"--with: {file}, row {line}: {error}") from error
            if verdict.seeds:
                yield verdict

    def _verdict(self, claim: Claim, row: dict[str, str]) -> Verdict:
        if not (row["seeds"].isascii() and row["seeds"].isdecimal() and len(row["seeds"]) < 6):
            raise ValueError(f"seeds: {row['seeds']!r} is no number of seeds")
        seeds, word = int(row["seeds"]), row["verdict"]
        mean, low, high, hours = (
            _number(key, row.get(key, "")) for key in ("mean", "low", "high", "seed_hours")
        )
        interval = None if low is None or high is None else (low, high)
        impossible = interval and seeds < FEWEST
        if impossible or (mean is None) != (not seeds) or (low is None) != (high is None):
            raise ValueError(f"mean, low and high are not those of {seeds} seeds")
        if mean is None or seeds < FEWEST:
            if word not in (OF_FEW if seeds else (UNTESTED,)):
                raise ValueError(f"verdict: {word!r} is not one of {seeds} seeds")
        elif interval and not interval[0] < mean < interval[1]:
            raise ValueError(f"{mean:g} is not the mean of an interval {low:g} to {high:g}")
        elif word != word_of(seeds, mean, interval):
            of_what = f"{mean:g}, {low:g} to {high:g}" if interval else f"{seeds} times {mean:g}"
            raise ValueError(f"verdict: {word!r} is not that of {of_what}")
        page = row.get("page") or self.name
        return Verdict(claim, row["runs"], word, seeds, mean, low, high, hours, page)


def _rows(file: Path) -> list[dict[str, str]]:
    """Raises UserError where it is no table, or lacks columns."""
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            rows = list(reader)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"--with: {file} cannot be read: {error}") from error
    if missing:
        raise UserError(f"--with: {file} lacks {', '.join(missing)}; it is no table of verdicts")
    for line, row in enumerate(rows, 2):
        if None in row.values() or None in row:
            raise UserError(f"--with: {file}, row {line}: not as many fields as there are columns")
    return rows


def _number(key: str, text: str) -> float | None:
    """None of an empty field."""
    value = float(text) if text else None
    if value is not None and (not math.isfinite(value) or (key == "seed_hours" and value < 0)):
        raise ValueError(f"{key}: {text} is not possible")
    return value
