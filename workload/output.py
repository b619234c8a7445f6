"""What is printed: lines that outlive their reader, tables, and a picture that is drawn over."""

import functools
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, ParamSpec

from workload.errors import FullDiskError, out_of_space
from workload.progress import StageProgress

if TYPE_CHECKING:
    from rich.console import RenderableType

News = ParamSpec("News")
STAGE_EVERY = 0.2
"""Seconds between two pictures of a stage of longer work."""
SHARE = 0.02
"""Most of all time that showing may take."""
SILENCE = 1.5
"""Seconds after which a command that has said nothing says that it works."""
LINE_EVERY, LINE_SHARE, LINE_SELDOM = 10.0, 0.05, 600.0
"""Where there is no terminal: seconds between lines at the beginning; the share of the time since
the first line that they grow to; the most they grow to."""


class _Life:
    """Whether a command has said anything yet."""

    spoken = False


@contextmanager
def sign_of_life(command: str) -> Iterator[None]:
    """Tell somebody who waits at a terminal that a command works, where it is silent at first."""
    if not sys.stderr or not sys.stderr.isatty():
        yield
        return
    import threading

    _Life.spoken, over = False, threading.Event()

    def watch() -> None:
        if not over.wait(SILENCE) and not _Life.spoken:
            print(f"{command} is at work ...", file=sys.stderr, flush=True)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def say(text: str) -> None:
    """Print at once. When the reader has gone (`| head`), this and what follows is dropped:
    a training goes on."""
    _Life.spoken = True
    try:
        print(text, flush=True)
    except BrokenPipeError:
        silence()
    except OSError as error:
        if not out_of_space(error):
            raise
        silence()
        raise FullDiskError("standard output: no space is left on its disk") from error


def warn(text: str) -> None:
    """A sentence on stderr about something that the command goes on without."""
    _Life.spoken = True
    print(f"wdbench: {text}", file=sys.stderr, flush=True)


@functools.cache
def warn_once(text: str) -> None:
    """A sentence on stderr that the process has not said yet."""
    warn(text)


def silence() -> None:
    """Lead standard output nowhere; Python would fail on its unsent rest at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def aligned(rows: Sequence[Sequence[str]], *, left: int = 0, rule: bool = False) -> list[str]:
    """The lines of a table, two spaces between columns: the first `left` columns flush left, the
    others flush right, and a `rule` of dashes below the heading. No line ends in spaces.

    rich's tables are made for terminals: where there is none they wrap and pad at 80 columns, and
    these lines are compared, mailed and read by programs.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [rows[0], ["-" * width for width in widths], *rows[1:]] if rule else rows
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def at_most(seconds: float, show: Callable[News, None]) -> Callable[News, None]:
    """Drop what comes within `seconds` of the last one shown, or would take too much time."""
    due = 0.0

    def sometimes(*news: News.args, **named: News.kwargs) -> None:
        nonlocal due
        start = time.monotonic()
        if start >= due:
            show(*news, **named)
            end = time.monotonic()
            due = end + max(seconds, (end - start) / SHARE)

    return sometimes


def ever_rarer(show: Callable[News, None]) -> Callable[News, None]:
    """Drop what comes sooner after the last one shown than lines of a long work should: some
    hundred a day, where every ten seconds would be 8,640."""
    shown: list[float] = []  # when the first one and the last one were

    def sometimes(*news: News.args, **named: News.kwargs) -> None:
        now = time.monotonic()
        if shown:
            grown = LINE_SHARE * (shown[-1] - shown[0])
            if now < shown[-1] + min(max(LINE_EVERY, grown), LINE_SELDOM):
                return
        shown[1:] = [now]
        show(*news, **named)

    return sometimes


@contextmanager
def live_display(
    draw: Callable[News, "RenderableType"],
    every: float,
    plain: Callable[News, None],
    *,
    stderr: bool = False,
) -> Iterator[Callable[News, None]]:
    """Give the callback that shows how something stands; it may be called as often as one likes.

    Args:
        draw: on a terminal, what is drawn over at most once in `every` seconds, and gone at the
            end: text, or what rich can draw.
        plain: called in its place where there is no terminal.
        stderr: whether it goes there.
    """
    stream = sys.stderr if stderr else sys.stdout
    if not stream or not stream.isatty():  # None when closed from the start
        yield plain
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(stderr=stderr), auto_refresh=False, transient=True) as live:

        def show(*news: News.args, **named: News.kwargs) -> None:
            _Life.spoken = True
            drawn = draw(*news, **named)
            live.update(Text(drawn) if isinstance(drawn, str) else drawn, refresh=True)

        yield at_most(every, show)


@contextmanager
def stage_line() -> Iterator[StageProgress]:
    """How far a longer work is, on stderr: on a terminal a line that is drawn over; elsewhere a
    line when a stage begins, and ever rarer ones of how far it is."""
    rarely: dict[str, StageProgress] = {}  # of the present stage

    def line(stage: str, done: int, total: int) -> None:
        if stage not in rarely:
            rarely.clear()
            texts = itertools.chain([f"{stage} ..."], itertools.repeat(""))
            rarely[stage] = ever_rarer(lambda *news: tell(next(texts) or draw(*news)))
        rarely[stage](stage, done, total)

    def tell(text: str) -> None:
        # who works for somebody that reads it no more works on
        with suppress(OSError, ValueError):
            if sys.stderr:
                print(text, file=sys.stderr, flush=True)

    def draw(stage: str, done: int, total: int) -> str:
        return f"{stage} {done:,} of {total:,}"

    with live_display(draw, STAGE_EVERY, line, stderr=True) as show:
        yield show
