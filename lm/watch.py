"""When a training has diverged: noticed where the losses are, without waiting for them."""

import torch
from torch import Tensor


class DivergenceWatch:
    """Remembers the first update whose loss is not finite, or above the lowest one so far by
    `rise`.

    Args:
        rise: in nats; 0 looks for losses that are not finite alone.
        device: of the losses.

    Attributes:
        state: the lowest loss so far, and the update found, counted from 1, or 0: [2] float64.
    """

    def __init__(self, rise: float, device: torch.device) -> None:
        self._rise = rise
        self.state = torch.tensor([torch.inf, 0.0], dtype=torch.float64, device=device)

    def see(self, loss: Tensor, update: int) -> None:
        """Look at the loss of an update, counted from 1."""
        value = loss.detach().double()
        lowest, found = self.state
        bad = ~value.isfinite()
        if self._rise:
            bad |= value > lowest + self._rise
        first = torch.where(bad & (found == 0), float(update), found)
        self.state = torch.stack([torch.where(bad, lowest, torch.minimum(value, lowest)), first])

    @property
    def update(self) -> int | None:
        """The update at which it diverged; None where it has not. Waits for the device."""
        return int(self.state[1]) or None
