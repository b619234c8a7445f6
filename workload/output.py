"""Printing that outlives its reader."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from workload.progress import StageProgress

EVERY = 0.2
"""Seconds between two pictures of a line that is drawn over."""


def say(text: str) -> None:
    """Print at once. When the reader has gone (`| head`), this and what follows is dropped:
    a training goes on."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        silence()


def warn(text: str) -> None:
    """A sentence on stderr about something that the command goes on without."""
    print(f"wdbench: {text}", file=sys.stderr, flush=True)


def silence() -> None:
    """Lead standard output nowhere; Python would fail on its unsent rest at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def stage_line(*, plain: bool) -> Iterator[StageProgress]:
    """How far a longer work is, on stderr: on a terminal a line that is drawn over; elsewhere a
    line per stage where `plain` asks for it."""
    terminal = sys.stderr.isatty()
    shown, due = "", 0.0

    def show(stage: str, done: int, total: int) -> None:
        nonlocal shown, due
        now = time.monotonic()
        if terminal and (now >= due or done >= total):
            print(f"\r\x1b[K{stage} {done:,} of {total:,}", end="", file=sys.stderr, flush=True)
            due = now + EVERY
        elif plain and not terminal and stage != shown:
            print(f"{stage} ...", file=sys.stderr, flush=True)
        shown = stage

    try:
        yield show
    finally:
        if terminal and shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
