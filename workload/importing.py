"""Import what is large."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def large_import() -> Iterator[None]:
    """Import within it, and the garbage collector rests.

    Lightning leaves 700,000 objects, all of which stay, and the collector would go through them
    hundreds of times: a seventh of the import's CPU time.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
