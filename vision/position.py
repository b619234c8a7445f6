"""Where the training of a network stands. Imports no torch."""

from dataclasses import dataclass

KEPT = "epochs"
"""Folder of a run for states after some of its epochs, and what is measured of them."""


@dataclass
class Position:
    """How far training is: in epoch `epoch`, from 0, `batches` are done; `updates` in all."""

    epoch: int = 0
    batches: int = 0
    updates: int = 0
