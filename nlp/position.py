"""Where the training of a translation model stands. Imports no torch."""

from dataclasses import dataclass


@dataclass
class Position:
    """How far training is: in epoch `epoch`, from 0, this process has done `batches`."""

    epoch: int = 0
    batches: int = 0
    updates: int = 0
