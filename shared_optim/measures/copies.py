"""Copies of parameters that come and go, in memory that need not be found anew every time."""

from __future__ import annotations

import ctypes
import mmap
import weakref
from collections.abc import Sequence
from operator import attrgetter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared_optim.layout import in_order, to_read

_ALIGNED = 64  # bytes: of a cache line, and of every dtype
_spare: list[mmap.mmap] = []  # one at the most


def copies(parameters: Sequence[Tensor]) -> dict[int, Tensor]:
    """Copies of their memory on this process, by id; their elements in its order."""
    mine = [to_read(parameter) for parameter in parameters]
    if not (all(map(attrgetter("is_cpu"), mine)) and in_order(mine)):
        # times 1, as few operators copy a whole list, and a GPU has a kernel for this one
        copied = torch._foreach_mul(mine, 1.0)
        return {id(p): tensor for p, tensor in zip(parameters, copied, strict=True)}
    dtypes = list(map(attrgetter("dtype"), mine))
    bytes_of = list(map(attrgetter("nbytes"), mine))
    memory = _borrowed(sum(bytes_of) + _ALIGNED * len(set(dtypes)))
    found: dict[int, Tensor] = {}
    start = 0
    for dtype in dict.fromkeys(dtypes):
        chosen = [i for i, own in enumerate(dtypes) if own is dtype]
        place = first = memory.ctypes.data + start
        for i in chosen:
            # small tensors are copied in a quarter of the time that torch's operators take
            if address := mine[i].data_ptr():
                ctypes.memmove(place, address, bytes_of[i])
            place += bytes_of[i]
        held = torch.from_numpy(memory[start : start + place - first]).view(dtype)
        pieces = torch.split(held, [mine[i].numel() for i in chosen])
        found |= zip([id(parameters[i]) for i in chosen], pieces, strict=True)
        start += -(-(place - first) // _ALIGNED) * _ALIGNED
    return found


def _borrowed(size: int) -> NDArray[np.uint8]:
    """An array of `size` bytes whatever they hold, to be had back when nothing refers to it.

    A process is given new memory in pages of zeros, which costs as much as to fill them. So one
    piece stays mapped for the next who asks; the system may take its pages whenever it runs short.
    """
    if not hasattr(mmap, "MADV_FREE"):
        return np.empty(size, np.uint8)
    try:
        region = _spare.pop()
    except IndexError:
        region = None
    if region is None or len(region) < size:
        region = mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            _advise(region, mmap.MADV_HUGEPAGE)
    array = np.frombuffer(region, np.uint8, count=size)
    weakref.finalize(array, _returned, region).atexit = False
    return array


def _returned(region: mmap.mmap) -> None:
    if not _spare and _advise(region, mmap.MADV_FREE):
        _spare.append(region)


def _advise(region: mmap.mmap, option: int) -> bool:
    try:
        region.madvise(option)
    except OSError:  # a kernel that cannot
        return False
    return True
