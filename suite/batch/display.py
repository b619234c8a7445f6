"""What a user sees while a grid trains: a live overview, or plain lines without a terminal."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from suite.batch import overview
from suite.batch.grid import Grid
from suite.batch.states import State, state_of
from workload.output import say

LINE_EVERY = 10.0  # seconds between plain lines
PICTURE_EVERY = 2.0  # seconds between pictures on a terminal
SHARE = 0.02  # of all time that reading the runs' directories may take


@contextmanager
def display(grid: Grid, jobs: int) -> Iterator[Callable[[], None]]:
    """Give the callback for the driver; it may be called as often as it likes.

    Args:
        grid: what trains.
        jobs: how many train at once.
    """
    through: dict[int, State] = {}

    def states() -> list[State]:
        now = [through.get(place) or state_of(run) for place, run in enumerate(grid.runs)]
        for place, state in enumerate(now):
            if state.status in ("done", "diverged"):
                through[place] = state
        return now

    if sys.stdout and sys.stdout.isatty():
        from rich.live import Live
        from rich.text import Text

        with Live(auto_refresh=False, transient=True) as live:

            def picture() -> None:
                live.update(Text(overview.described(grid, states(), jobs)), refresh=True)

            yield _at_most(PICTURE_EVERY, picture)
    else:
        yield _at_most(LINE_EVERY, lambda: say(_line(grid, states(), jobs)))


def _at_most(seconds: float, show: Callable[[], None]) -> Callable[[], None]:
    """Drop what comes within `seconds` of the last one shown, or would take too much time."""
    due = 0.0

    def sometimes() -> None:
        nonlocal due
        start = time.monotonic()
        if start >= due:
            show()
            end = time.monotonic()
            due = end + max(seconds, (end - start) / SHARE)

    return sometimes


def _line(grid: Grid, states: Sequence[State], jobs: int) -> str:
    return " | ".join(
        [overview.summary(grid.file.name, states, jobs), *overview.running(grid.runs, states)]
    )
