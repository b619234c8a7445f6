"""Who is told how a training goes, by Lightning's Trainer or by a plain loop."""

from typing import Protocol


class Listener(Protocol):
    """Is told of batches and epochs, and says whether training goes on."""

    def after_batch(self) -> bool:
        """After each batch."""
        ...

    def after_epoch(self) -> bool:
        """After the last batch of an epoch, or the one after which training does not go on."""
        ...
