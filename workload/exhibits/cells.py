"""Numbers and notes as a report prints them."""

from collections.abc import Sequence

from workload.exhibits.document import Cell, cell
from workload.exhibits.grid import RecordGrid, Row

NOTHING = "-"
LARGE = 1e9
"""From here on a number is printed with its power of ten."""
MINUS = "\N{MINUS SIGN}"
PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
COUNTS = (
    "k/n: k of n seeds are finished; n is the grid file's number, or without one the most seeds "
    "that any cell has. Runs that diverged, failed, are unfinished or missing are in n alone, and "
    "nothing stands in for them."
)


def value(number: float | None, decimals: int | None = None, sign: bool = False) -> str:
    """A number; without `decimals` one digit after the point, none from 100 on."""
    if number is None:
        return NOTHING
    if abs(number) >= LARGE:
        return f"{number:{'+' if sign else ''}.3g}".replace("e+", "e").replace("-", MINUS)
    if decimals is None:
        decimals = digits(number)
    number = round(number, decimals) or 0.0  # no minus before zero
    text = f"{number:+,.{decimals}f}" if sign else f"{number:,.{decimals}f}"
    return text.replace("-", MINUS)


def digits(number: float) -> int:
    """Digits after the point of a score: one below a hundred."""
    return 0 if abs(number) >= 99.95 else 1


def mean_and_std(mean: float | None, deviation: float | None, decimals: int | None = None) -> str:
    """Mean and standard deviation; `-` for that of a single run."""
    if mean is None:
        return NOTHING
    decimals = digits(mean) if decimals is None else decimals
    return f"{value(mean, decimals)} {PLUS_MINUS} {value(deviation, decimals)}"


def percent(share: float | None) -> str:
    return NOTHING if share is None else f"{value(100 * share, 0 if abs(share) >= 0.0995 else 1)} %"


def row_head(grid: RecordGrid) -> tuple[str, ...]:
    """The headings of `row_cells`."""
    return "scheme", "lambda", *grid.keys


def row_cells(row: Row) -> tuple[Cell, ...]:
    """Scheme, lambda and what else tells the row apart."""
    return cell(row.scheme), cell(row.decay), *map(cell, row.extras)


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
