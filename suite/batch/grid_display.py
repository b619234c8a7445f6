"""What a user sees while a grid trains: a live overview, or plain lines without a terminal."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from suite.batch import overview
from suite.batch.grid_file import Grid
from suite.batch.states import RunState, state_of
from workload.output import ever_rarer, live_display, say

PICTURE_EVERY = 2.0  # seconds between pictures on a terminal


def display_grid(grid: Grid, jobs: int) -> AbstractContextManager[Callable[[], None]]:
    """Give the callback for the driver; it may be called as often as it likes.

    Args:
        grid: what trains.
        jobs: how many train at once.
    """
    ended: dict[int, RunState] = {}  # by the run's number; not read from the disk again

    def states() -> list[RunState]:
        now = [ended.get(number) or state_of(run) for number, run in enumerate(grid.runs)]
        for number, state in enumerate(now):
            if state.status in ("done", "diverged"):
                ended[number] = state
        return now

    def draw() -> str:
        return overview.describe_grid(grid, states(), jobs)

    plain = ever_rarer(lambda: say(_line(grid, states(), jobs)))
    return live_display(draw, PICTURE_EVERY, plain)


def _line(grid: Grid, states: Sequence[RunState], jobs: int) -> str:
    return " | ".join(
        [overview.summary(grid.file.name, states, jobs), *overview.running(grid.runs, states)]
    )
