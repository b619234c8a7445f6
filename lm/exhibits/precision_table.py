"""bf16 against float32: what runs came to, how many diverged, and when."""

import numpy as np

from lm.exhibits.kinds import Kind, kinds, precision_of
from lm.metrics import VAL_LOSS
from workload.exhibits.cells import NOTHING, mean_and_std
from workload.exhibits.document import Table, cell
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record


def precision_table(grid: RecordGrid, task: str, name: str) -> Table | None:
    """A line per decay and arithmetic; None where all runs have one arithmetic."""
    cells: dict[tuple[str, str], list[Record]] = {}
    for kind, records in kinds(grid, task).items():
        for record in records:
            cells.setdefault((_without(kind), precision_of(record)), []).append(record)
    if len({precision for _, precision in cells}) < 2:
        return None
    rows, data = [], []
    for (label, precision), records in sorted(cells.items(), key=lambda item: item[0]):
        losses = [r.scores[VAL_LOSS.key] for r in records if VAL_LOSS.key in r.scores]
        mean = float(np.mean(losses)) if losses else None
        deviation = float(np.std(losses, ddof=1)) if len(losses) > 1 else None
        diverged = sorted(r.diverged_at for r in records if r.diverged and r.diverged_at)
        counts = f"{len(diverged)} of {len(records)}"
        when = ", ".join(f"{at:,.0f}" for at in diverged) or NOTHING
        loss = mean_and_std(mean, deviation, VAL_LOSS.decimals)
        rows.append(tuple(map(cell, (label, precision, loss, counts, when))))
        data.append((label, precision, mean, deviation, len(losses), len(diverged), len(records)))
    return Table(
        name=name,
        title=f"{task}: bf16 against float32",
        caption=(
            f"{task}: validation loss of the runs that finished, and how many diverged: a loss "
            "that is not finite, or above the lowest one so far by the recipe's threshold; the "
            "update of the row that says so. bf16 autocast computes in bfloat16 with float32 "
            "weights, as the talk does; bf16 weights are bfloat16 themselves, and so are the "
            "optimizer's buffers."
        ),
        head=("decay", "arithmetic", "validation loss", "diverged", "noticed at update"),
        rows=tuple(rows),
        data_head=(
            *("decay", "arithmetic", "mean", "standard_deviation"),
            *("seeds_finished", "seeds_diverged", "seeds_present"),
        ),
        data=tuple(data),
    )


def _without(kind: Kind) -> str:
    """Its label, but for the arithmetic."""
    own = (each for each in kind.setting if not each.startswith(("precision=", "weights=")))
    return " ".join((kind.decay, *own))
