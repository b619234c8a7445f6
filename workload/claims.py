"""What papers claim, and what runs say of it: words in a file, numbers from a workload.

A workload's claims stand in `configs/claims/NAME.yaml`, an entry each. Its report computes a number
per seed and claim that is above 0 where the claim holds; `workload/verdict.py` has the rule that
makes a verdict of them. Where a number was mended when runs had been looked at, the file says what
it was before. Imports no torch.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from workload.contract import Workload
from workload.errors import UserError
from workload.exhibits.document import Table, cell
from workload.exhibits.grid import RecordGrid
from workload.verdict import FAILS, FEW, FEWEST, FEWEST_ALIKE, HOLDS, OPEN, UNTESTED, Claim, Verdict

WORDS = (HOLDS, FAILS, OPEN, FEW, UNTESTED)
Numbers = Mapping[str, Sequence[float]]
"""By the claim's id, a number per seed."""


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


def counted_words(found: Iterable[Verdict]) -> str:
    """How many verdicts there are of each kind, as `holds 3, undecided 1`."""
    words = Counter(each.word.partition(":")[0] for each in found)
    return ", ".join(f"{word} {words[word]}" for word in WORDS if words[word])


def verdicts(
    workload: Workload[Any, Any],
    grids: Sequence[RecordGrid],
    seed_hours: Callable[[RecordGrid], float | None] = lambda grid: None,
    earlier: Sequence[Verdict] = (),
) -> list[Verdict]:
    """Of each claim of a workload: once for each kind of runs that test it, or once as not tested.

    Args:
        workload: whose claims.
        grids: its runs, apart where what they have in common is told apart.
        seed_hours: that a seed of all runs of a grid took.
        earlier: verdicts on its claims from runs that are elsewhere.

    Raises:
        UserError: the file of claims is damaged, or lacks one that the workload has numbers of.
    """
    claims, report = read_claims(workload.claims_file()), workload.report
    studies = [
        (seed_hours(grid), runs, own)
        for grid in grids
        for runs, own in (report.claims(grid) if report.claims else {}).items()
    ]
    if report.claims_across and grids:
        hours = [seed_hours(grid) for grid in grids]
        known = None if None in hours else sum(each or 0.0 for each in hours)
        studies += [(known, runs, own) for runs, own in report.claims_across(grids).items()]
    unknown = {each for _, _, own in studies for each in own} - {c.id for c in claims}
    if unknown:
        raise UserError(f"{workload.claims_file()} has no claim {', '.join(sorted(unknown))}")
    found = []
    for claim in claims:
        tested = [
            Verdict.of(claim, runs, numbers, hours)
            for hours, runs, own in studies
            if (numbers := list(filter(math.isfinite, own.get(claim.id, ()))))
        ]
        tested += [each for each in earlier if each.claim.id == claim.id]
        found += tested or [Verdict(claim)]
    return found


def claims_table(found: Sequence[Verdict], name: str) -> Table:
    """A line per claim and kind of runs: its number over seeds, an interval, the verdict."""
    rows, data = [], []
    told = None
    for each in found:
        claim, mean, low, high, word = each.claim, each.mean, each.low, each.high, each.word
        smallest, needed = each.smallest_shown, each.seeds_needed if word == OPEN else None
        shown = "-" if mean is None else f"{mean:.3g} {claim.unit}".strip()
        span = "-" if low is None or high is None else f"{low:.3g} .. {high:.3g}"
        least = "-" if smallest is None or each.decided else f"{smallest:.3g}"
        said = [claim.claim]
        if claim != told:
            told = claim
            said += [f"{claim.source}. Number: {claim.statistic}."]
            said += [f"There: {claim.scale}."] if claim.scale else []
        more = "-" if each.decided else each.more
        numbers = map(cell, (shown, span, str(each.seeds), word, least, more))
        rows.append((cell(*said), cell(each.of_what or "-"), *numbers))
        known = (claim.id, claim.claim, claim.source, claim.statistic, ", ".join(claim.grids))
        spread = (mean, low, high, each.seeds, word, smallest, needed, each.seed_hours)
        data.append((*known, claim.scale, each.runs, each.page, *spread))
    return Table(
        name=name,
        title="What became of the claims",
        caption=(
            "Each claim as a number per seed that is above 0 where it holds: its mean, and its "
            f"95 % interval by Student's t where there are {FEWEST} seeds that are not all the "
            "same. It holds where that lies above 0, and does not hold where it lies below; "
            f"{FEWEST_ALIKE} numbers that are all the same decide as well. Of what is undecided: "
            "the smallest mean that these seeds would have shown (5 %, power 80 %), how many "
            "seeds would show the mean that was found, and the hours by the clock that those of "
            "all runs on the same task take on the machine that trained these; of what is not "
            "tested, the grids that test it. Controls are what the source lacks."
        ),
        head=(
            *("claim, source, number per seed, scale of the source", "runs"),
            *("mean", "95 %", "seeds", "verdict", "smallest that would show", "would decide it"),
        ),
        rows=tuple(rows),
        data_head=(
            *("id", "claim", "source", "statistic", "grids", "scale", "runs", "page"),
            *("mean", "low", "high", "seeds", "verdict"),
            *("smallest_shown", "seeds_needed", "seed_hours"),
        ),
        data=tuple(data),
    )
