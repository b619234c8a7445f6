"""Memory that an update has freed is kept for the next one, on a CPU.

glibc gives large pieces back to the system as soon as they are freed, and the system clears every
page before it gives it again. An update of a 3.5M-parameter translation model asked for 18,000
pages of 4 KB so, which costs it the more the busier a machine is.
"""

import ctypes
import functools
from typing import Any

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of malloc.h
_LARGEST = 1 << 30  # bytes that may lie unused at the heap's end


@functools.cache
def keep_freed_memory() -> None:
    """Have malloc keep what is freed, where it is glibc's; nowhere else does this do anything."""
    if libc := _libc():
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, _LARGEST)


def give_memory_back() -> None:
    """Give the system what is kept: a training has ended, and another may need other pieces."""
    if libc := _libc():
        libc.malloc_trim(0)


@functools.cache
def _libc() -> Any:
    """glibc; None where malloc is another's."""
    try:
        libc = ctypes.CDLL(None)
        return libc if libc.mallopt and libc.malloc_trim else None
    except (AttributeError, OSError, TypeError):
        return None
