"""Files that a run can do without: what goes wrong with one is a warning, and training goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workload.output import warn_once


@contextmanager
def by_product(path: Path) -> Iterator[None]:
    """A block that writes or deletes a file which no result depends on. An error of the system ends
    the block and is told once per file.

    Raises:
        OSError: the folder of the file is gone: then it is the run that has been taken away.
    """
    try:
        yield
    except OSError as error:
        if not path.parent.is_dir():
            raise
        reason = error.strerror or error
        warn_once(f"{path}: {reason}; no result depends on it, the run goes on")


def discard(path: Path) -> None:
    """Delete a file that nobody needs any more, if that can be done."""
    with by_product(path):
        path.unlink(missing_ok=True)
