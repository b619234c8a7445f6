"""What a user sees while a population trains: a live table, or plain lines without a terminal."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rl.progress import MemberProgress, Progress
from suite.run_directory import Run
from suite.wording import duration

LINE_EVERY = 10.0  # seconds between plain lines


@contextmanager
def display(title: str, runs: Sequence[Run]) -> Iterator[Callable[[Progress], None]]:
    """Give the callback that training calls a few times per second."""
    if sys.stdout.isatty():
        with _live(title, runs) as show:
            yield show
    else:
        yield _lines(title, runs)


def _lines(title: str, runs: Sequence[Run]) -> Callable[[Progress], None]:
    last = 0.0

    def show(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last < LINE_EVERY:
            return
        last = time.monotonic()
        members = "; ".join(_brief(run, m) for run, m in zip(runs, progress.members, strict=True))
        print(f"{title} {_place(progress)} | {members}", flush=True)

    return show


def _place(progress: Progress) -> str:
    left = progress.seconds_left
    return (
        f"iteration {progress.iteration}/{progress.iterations} {progress.phase} "
        f"{progress.step:,}/{progress.steps:,} | {progress.steps_per_second:,.0f} steps/s"
        + ("" if left is None else f" | {duration(left)} left")
    )


def _brief(run: Run, member: MemberProgress) -> str:
    if member.status == "diverged":
        return f"{run.label} diverged"
    return (
        f"{run.label} epsilon {member.epsilon:.3f} loss {_number(member.loss)} "
        f"score {_number(member.score)}"
    )


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}g}"


@contextmanager
def _live(title: str, runs: Sequence[Run]) -> Iterator[Callable[[Progress], None]]:
    from rich.console import Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    def picture(progress: Progress) -> Group:
        table = Table(box=None, pad_edge=False)
        table.add_column("member")
        for column in ("epsilon", "loss", "mean Q", "last score"):
            table.add_column(column, justify="right")
        table.add_column("status")
        for run, member in zip(runs, progress.members, strict=True):
            table.add_row(
                run.label,
                f"{member.epsilon:.3f}",
                _number(member.loss),
                _number(member.mean_q),
                _number(member.score, 5),
                Text(member.status, style="red" if member.status == "diverged" else ""),
            )
        bar = ProgressBar(total=progress.steps, completed=progress.step)
        return Group(Text(f"{title}  {_place(progress)}", style="bold"), bar, table)

    with Live(auto_refresh=False) as live:
        yield lambda progress: live.update(picture(progress), refresh=True)
