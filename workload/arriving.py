"""A few numbers on their way from a GPU to the host."""

import torch
from torch import Tensor


class Arriving:
    """A tensor on its way to the CPU.

    Read at the end of the update, it is there: a GPU is not waited for before it has all of the
    update in its queue.
    """

    def __init__(self, tensor: Tensor) -> None:
        self._copy = tensor.to("cpu", non_blocking=tensor.is_cuda, copy=True)
        self._arrived = torch.Event(tensor.device) if tensor.is_cuda else None
        if self._arrived:
            self._arrived.record()

    def read(self) -> list[float]:
        if self._arrived:
            self._arrived.synchronize()
        numbers: list[float] = self._copy.tolist()
        return numbers
