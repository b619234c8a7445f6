"""Where the training of a network stands. Imports no torch."""

from dataclasses import dataclass


@dataclass
class Position:
    """How far training is: in epoch `epoch`, from 0, `batches` are done; `updates` in all."""

    epoch: int = 0
    batches: int = 0
    updates: int = 0
