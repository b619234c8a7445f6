"""What killed processes leave in a run's directory: temporary files."""

import os
import time
from pathlib import Path

from suite.runs.heartbeat import alive
from workload.by_products import discard
from workload.files import TEMPORARY

LONG = 86_400.0
"""Seconds after which nobody on another machine writes a file any more."""


def sweep(run: Path) -> None:
    """Delete temporary files that nobody writes any more."""
    for path in (*run.glob(f"*{TEMPORARY}"), *run.glob(f"*/*{TEMPORARY}")):
        if path.is_file() and not _is_written(path):
            discard(path)


def _is_written(path: Path) -> bool:
    """Whether the process that a file is named after may still be at it."""
    _, here, process = path.name.removesuffix(TEMPORARY).rpartition(f".{os.uname().nodename}.")
    if here:
        return process.isdecimal() and int(process) != os.getpid() and alive(int(process))
    return time.time() - path.stat().st_mtime < LONG
