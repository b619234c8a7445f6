"""What it would take to decide the claims at their source's scale: configs/claims/costs.yaml."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from workload.exhibits.document import Section, Table, cell

FILE = Path(__file__).parents[2] / "configs" / "claims" / "costs.yaml"


@dataclass(frozen=True)
class Cost:
    """Of a grid.

    Attributes:
        grid: its file in configs/grids.
        runs: how many it has.
        takes: hours of which machine, and where the number comes from.
    """

    grid: str
    runs: int
    takes: str


def read_costs() -> list[Cost]:
    """In the order of the file."""
    entries: Any = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return [Cost(**entry) for entry in entries]


def costs_section(costs: Sequence[Cost]) -> list[Section]:
    """A section with a line per grid; none without costs."""
    if not costs:
        return []
    table = Table(
        name="claims_costs",
        title="What the full grids take",
        caption=(
            "`wdbench batch configs/grids/GRID` trains one and goes on after whatever ended it; "
            "`wdbench claims` judges it by the same rule."
        ),
        head=("grid", "runs", "takes"),
        rows=tuple((cell(c.grid), cell(str(c.runs)), cell(c.takes)) for c in costs),
        data_head=("grid", "runs", "takes"),
        data=tuple((c.grid, c.runs, c.takes) for c in costs),
    )
    told = (
        "Grids whose names end in -small are for a processor and minutes to hours. What they leave "
        "undecided because too few seeds were run, the tables above say how many would decide. "
        "What they decide against a source, they decide at their own size: at the source's it takes"
    )
    return [Section("Deciding the rest", (told + ":",), (table,))]
