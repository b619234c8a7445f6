"""Validation loss before and after the learning rate has fallen, and of the mean of the weights."""

import csv
from collections.abc import Callable, Mapping
from importlib import resources

import numpy as np

from lm.exhibits.kinds import CONSTANT, DROPPED, Kind, kinds, with_rate
from lm.metrics import AVERAGED_LOSS, FIT_LOSS, VAL_LOSS
from shared_optim.schemes import BASELINE
from workload.exhibits.cells import NOTHING, mean_and_std, value
from workload.exhibits.document import Table, cell
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record

Reading = Callable[[Record], float | None]
COLUMNS: Mapping[str, tuple[str, Reading]] = {
    "constant rate": (CONSTANT, lambda record: record.scores[VAL_LOSS.key]),
    "less training loss": (CONSTANT, lambda record: gap(record)),
    "mean of the weights": (CONSTANT, lambda record: record.newest.get(AVERAGED_LOSS.key)),
    "after the drop": (DROPPED, lambda record: record.scores[VAL_LOSS.key]),
    "cosine": ("cosine", lambda record: record.scores[VAL_LOSS.key]),
    "wsd": ("wsd", lambda record: record.scores[VAL_LOSS.key]),
}
"""What alpha does, and what is read of such a run."""


def gap(record: Record) -> float | None:
    """Validation loss less the loss on fixed windows of the training text."""
    fit = record.newest.get(FIT_LOSS.key)
    return None if fit is None else record.scores[VAL_LOSS.key] - fit


def drop_table(grid: RecordGrid, task: str, name: str) -> Table | None:
    """A line per decay; None where nothing has finished.

    In a cell the mean over seeds and its deviation, and below what is above that without decay,
    seed by seed.
    """
    found = kinds(grid, task)
    numbers = {
        kind: {
            column: {
                seed: number
                for seed, record in with_rate(records, rate).items()
                if (number := read(record)) is not None
            }
            for column, (rate, read) in COLUMNS.items()
        }
        for kind, records in found.items()
    }
    shown = [c for c in COLUMNS if any(numbers[kind][c] for kind in found)]
    if not shown:
        return None
    rows, data = [], []
    for kind in found:
        texts, values = [], []
        for column in shown:
            mine = numbers[kind][column]
            against = _above(numbers, kind, column)
            texts.append(_cell(list(mine.values()), against))
            values += [_mean(list(mine.values())), against, len(mine)]
        rows.append((cell(kind.label), *(cell(*lines) for lines in texts)))
        data.append((kind.label, *values))
    rows += [
        (cell(f"the talk, {text}"), *(cell(line.get(c, NOTHING)) for c in shown))
        for text, line in _published().items()
    ]
    heads = [column.replace(" ", "_") for column in shown]
    return Table(
        name=name,
        title=f"{task}: before and after the learning rate falls",
        caption=(
            f"{task}: validation loss in nats at the end of runs at a constant learning rate, what "
            "of it is above the loss on windows of the training text, that of an exponential mean "
            "of the weights of the same runs, of branches that went on from these at a small rate, "
            "and of runs whose rate falls along a curve. In a cell: mean over seeds and sample "
            "standard deviation; below, in parentheses, the mean difference from the run of the "
            "same seed without decay. Below the line: 124 million parameters on OpenWebText in "
            "Andriushchenko et al., as their figures show it; another text, so that differences "
            "between lines compare, and losses do not."
        ),
        head=("decay", *shown),
        rows=tuple(rows),
        data_head=(
            "decay",
            *(key for h in heads for key in (h, f"{h}_above_none", f"{h}_seeds")),
        ),
        data=tuple(data),
    )


def _above(
    numbers: Mapping[Kind, Mapping[str, Mapping[int, float]]], kind: Kind, column: str
) -> float | None:
    if kind.decay == BASELINE:
        return None
    base = numbers.get(kind.baseline, {}).get(column, {})
    mine = numbers[kind][column]
    return _mean([mine[seed] - base[seed] for seed in mine if seed in base])


def _mean(numbers: list[float]) -> float | None:
    return float(np.mean(numbers)) if numbers else None


def _cell(numbers: list[float], against: float | None) -> tuple[str, ...]:
    deviation = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
    first = mean_and_std(_mean(numbers), deviation, VAL_LOSS.decimals)
    if against is None:
        return (first,)
    return first, f"({value(against, VAL_LOSS.decimals, sign=True)})"


def _published() -> dict[str, dict[str, str]]:
    file = resources.files("results.published") / "andriushchenko2023_lm.csv"
    with file.open(encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    return {
        f"lambda {line['weight_decay']}": {
            "after the drop": line["after_drop"],
            "cosine": line["cosine"],
        }
        for line in lines
    }
