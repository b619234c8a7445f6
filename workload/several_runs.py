"""Commands that look at several runs: one that cannot be read ends nothing for the others."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from workload.errors import FullDiskError, UserError
from workload.output import warn

RunT = TypeVar("RunT")
FoundT = TypeVar("FoundT")


def of_each(runs: Iterable[RunT], look: Callable[[RunT], FoundT]) -> list[FoundT]:
    """What `look` finds in each run; those in which it finds a UserError are named and left out.

    Raises:
        UserError: there is nothing in any; it says why.
    """
    found, reasons = [], []
    for run in runs:
        try:
            found.append(look(run))
        except FullDiskError:
            raise
        except UserError as error:
            reasons.append(str(error))
    if not found:
        raise UserError("; ".join(reasons))
    for reason in reasons:
        warn(f"left out: {reason}")
    return found
