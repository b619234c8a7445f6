"""An exponential mean of the weights, kept beside a training that does not see it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn, update_bn


class WeightAverage:
    """The mean of a network's parameters over updates::

        a_0 = w_0,  a_t = decay * a_(t-1) + (1 - decay) * w_t

    with w_0 the weights when this is made and w_t those at each call of `update`: an average over
    about 1 / (1 - decay) updates.

    Args:
        model: on its device; its parameters stay the same tensors.
        decay: from 0 to below 1.

    Attributes:
        weights: a_t of each parameter, in their order; float32 where the parameters are shorter,
            which would lose most of what an update adds.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model = model
        self.weights = [tensor.clone() for tensor in self._now()]
        self._mix: Any = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    def update(self) -> None:
        """Take in the weights as they are now."""
        self._mix(self.weights, self._now(), 0)

    def _now(self) -> list[Tensor]:
        """The parameters in the mean's dtypes."""
        return [
            p.detach().to(torch.promote_types(p.dtype, torch.float32))
            for p in self._model.parameters()
        ]

    @contextmanager
    def in_place(self, batches: Iterable[Tensor] = ()) -> Iterator[None]:
        """Within the block the network has the averaged weights.

        Statistics of normalisation are estimated anew, as means over the batches: those of the
        training are of other weights. Parameters and buffers are put back after the block.

        Args:
            batches: of the training, for a network with batch normalisation.
        """
        kept = {name: value.clone() for name, value in self._model.state_dict().items()}
        try:
            with torch.no_grad():
                torch._foreach_copy_(list(self._model.parameters()), self.weights)
            update_bn(batches, self._model)
            yield
        finally:
            self._model.load_state_dict(kept)
