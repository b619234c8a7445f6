"""Printing that outlives its reader."""

import os
import sys


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
