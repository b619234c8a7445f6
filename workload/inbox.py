"""What the processor tells the device: named arrays that travel together, in one copy."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

Field = tuple[tuple[int, ...], DTypeLike]

_ALIGNMENT = 16


class Inbox:
    """Arrays that are filled on the host and read on the device, where they never move.

    On a CPU both sides are the same memory. On a GPU the host's is pinned, and `send` queues one
    copy on the present stream without waiting.

    Args:
        fields: name to shape and numpy dtype.
        device: where they are read.

    Attributes:
        host: name to array; call `open` before writing.
        tensors: name to tensor of the same shape on the device.
        host_tensors: the arrays of `host` as tensors.
    """

    def __init__(self, fields: Mapping[str, Field], device: torch.device) -> None:
        starts, end = {}, 0
        for name, (shape, kind) in fields.items():
            starts[name] = end
            size = math.prod(shape) * np.dtype(kind).itemsize
            end += -(-size // _ALIGNMENT) * _ALIGNMENT
        on_gpu = device.type == "cuda"
        self._here = torch.zeros(end, dtype=torch.uint8, pin_memory=on_gpu)
        self._there = self._here.to(device)  # the same tensor on a CPU
        self._sent = torch.Event(device) if on_gpu else None
        self.host: dict[str, NDArray[np.generic]] = {}
        self.tensors: dict[str, Tensor] = {}
        self.host_tensors: dict[str, Tensor] = {}
        for name, (shape, kind) in fields.items():
            size = math.prod(shape) * np.dtype(kind).itemsize
            part = slice(starts[name], starts[name] + size)
            self.host[name] = self._here[part].numpy().view(kind).reshape(shape)
            self.host_tensors[name] = torch.from_numpy(self.host[name])
            dtype = self.host_tensors[name].dtype
            self.tensors[name] = self._there[part].view(dtype).view(shape)

    def open(self) -> None:
        """Wait until what was sent last has left the host's side."""
        if self._sent:
            self._sent.synchronize()

    def fetch(self) -> None:
        """Bring the device's side up to date; may be part of a graph."""
        if self._sent:
            self._there.copy_(self._here, non_blocking=True)

    def sent(self) -> None:
        """Note that a `fetch` and what else was done since is what `open` waits for."""
        if self._sent:
            self._sent.record()

    def send(self) -> None:
        """Both: bring the device's side up to date."""
        self.fetch()
        self.sent()
