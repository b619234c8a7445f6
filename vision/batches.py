"""Which images are in which batch: a function of seed and epoch, resumable within an epoch."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from workload import counter
from workload.position import Position


class TrainingBatches:
    """The batches of the present epoch, from the present one on, as a loader for a Trainer.

    Each is the places of its images, int64 [B] on the device: images are looked up there. All
    images take part in every epoch, so the last batch may be smaller.

    Args:
        count: images.
        batch_size: B.
        seed: of the order.
        position: where training stands; read when an epoch begins.
        device: of the images.
    """

    def __init__(
        self, count: int, batch_size: int, seed: int, position: Position, device: torch.device
    ) -> None:
        self._count, self._batch_size, self._seed = count, batch_size, seed
        self._position, self._device = position, device

    @property
    def per_epoch(self) -> int:
        """How many batches a whole epoch has."""
        return math.ceil(self._count / self._batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        position = self._position
        stream = counter.stream(self._seed, counter.ORDER, position.epoch)
        order = counter.permutation(stream, self._count, self._device)
        yield from torch.split(order, self._batch_size)[position.batches :]
