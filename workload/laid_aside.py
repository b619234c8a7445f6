"""Tensors that are needed again, but seldom: kept in a file in place of memory."""

import contextlib
import mmap
import tempfile
from collections.abc import Mapping

import torch
from torch import Tensor

ALIGNED = 64
"""Bytes to whose multiples tensors are moved."""


def laid_aside(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of tensors on the CPU, in a temporary file without a name.

    They are that file mapped into memory: they take some when they are read, which the system takes
    back where it needs it, and the file is gone when they are, or the process. Where the folder of
    temporary files (TMPDIR) has no room they are in memory, as where that folder is itself; so are
    those of another device.
    """
    if all(tensor.device.type == "cpu" for tensor in tensors.values()):
        with contextlib.suppress(OSError):
            return _mapped(tensors)
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _mapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    places = {}
    with tempfile.TemporaryFile() as file:
        for name, tensor in tensors.items():
            places[name] = file.tell()
            file.write(tensor.detach().reshape(-1).view(torch.uint8).numpy().data)
            file.write(bytes(-file.tell() % ALIGNED))
        file.write(bytes(ALIGNED))  # a file that is mapped is not empty
        file.flush()
        # of its own: torch warns of buffers that cannot be written to
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return {
        name: torch.frombuffer(
            pages, dtype=tensor.dtype, count=tensor.numel(), offset=places[name]
        ).view(tensor.shape)
        if tensor.numel()
        else torch.empty(tensor.shape, dtype=tensor.dtype)
        for name, tensor in tensors.items()
    }
