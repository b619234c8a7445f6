"""What the programs of a block write, for the proof that their graphs do what they do."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from rl.replay import Replay

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-2}
"""How far two updates as graphs may be from two without, relative to a tensor's norm."""


class BlockState:
    """All that the programs of a block write, and what it was when this was made.

    Args:
        written: name to tensor, but for the replay.
        replay: its newest row and the next two are written.
        wait: until the device has done what it was given: part of it is on its way to the host.
    """

    def __init__(
        self, written: Mapping[str, Tensor], replay: Replay, wait: Callable[[], None]
    ) -> None:
        self._written, self._replay, self._wait = written, replay, wait
        self._before = self.now()

    def now(self) -> dict[str, Tensor]:
        """Copies."""
        self._wait()
        copies = {name: tensor.clone() for name, tensor in self._written.items()}
        return copies | self._replay.snapshot(rows=2)

    def put_back(self) -> None:
        """Everything as it was."""
        for name, tensor in self._written.items():
            tensor.copy_(self._before[name])
        self._replay.undo(self._before)
