"""What a user sees while a population trains: a live table, or plain lines without a terminal."""

import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from workload.output import ever_rarer, live_display, say
from workload.progress import MemberProgress, Progress
from workload.wording import duration

if TYPE_CHECKING:
    from rich.console import Group

PICTURE_EVERY = 0.25  # seconds between pictures on a terminal
NAMED = 2  # members that a plain line shows one by one; of more it shows medians
NAMED_FIGURES, MEDIAN_FIGURES = 3, 2  # of each, the first ones


ShowProgress = Callable[[Progress], None]


def display_population(title: str) -> AbstractContextManager[ShowProgress]:
    """Give the callback for training; it may be called as often as training likes."""
    plain = ever_rarer(lambda progress: say(_line(title, progress)))
    return live_display(lambda progress: _table(title, progress), PICTURE_EVERY, plain)


def _line(title: str, progress: Progress) -> str:
    members = progress.members
    briefs = map(_brief, members) if len(members) <= NAMED else [_medians(members)]
    return " | ".join([f"{title} {_phase(progress)}", *briefs])


def _phase(progress: Progress) -> str:
    left = progress.seconds_left
    running = sum(member.status == "running" for member in progress.members)
    return (
        f"{progress.place}, {_rate(progress.steps_per_second)} {progress.unit}/s"
        + (f" x {running}" if len(progress.members) > 1 else "")
        + ("" if left is None else f", {duration(left)} left")
    )


def _brief(member: MemberProgress) -> str:
    if member.status == "diverged":
        return f"{member.name} diverged"
    figures = list(member.figures.items())[:NAMED_FIGURES]
    return " ".join([member.name, *(f"{name} {_number(value)}" for name, value in figures)])


def _medians(members: Sequence[MemberProgress]) -> str:
    sound = [member for member in members if member.status != "diverged"]
    names = list(members[0].figures)[:MEDIAN_FIGURES]
    medians = (f"{name} {_number(_median(sound, name))}" for name in names)
    diverged = len(members) - len(sound)
    return f"{len(members)} members: median {' '.join(medians)}" + (
        f", {diverged} diverged" if diverged else ""
    )


def _median(members: Sequence[MemberProgress], name: str) -> float | None:
    values = [value for member in members if (value := member.figures.get(name)) is not None]
    return statistics.median(values) if values else None


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= 10 or not per_second else f"{per_second:.2g}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _table(title: str, progress: Progress) -> "Group":
    from rich.console import Group
    from rich.padding import Padding
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("member")
    for name in progress.members[0].figures if progress.members else ():
        table.add_column(name, justify="right")
    table.add_column("status")
    for member in progress.members:
        table.add_row(
            member.name,
            *map(_number, member.figures.values()),
            Text(member.status, style="red" if member.status == "diverged" else ""),
        )
    bar = ProgressBar(total=progress.steps, completed=progress.step)
    # A bar has no line feed, a padding has. As the last line, full, it would wrap an echoed ^C.
    return Group(Text(f"{title} {_phase(progress)}", style="bold"), Padding(bar, 0), table)
