"""A loss as a function of parameters, with its gradient and its Hessian times a vector."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from vision.images import DeviceImages
from workload.stopping import unasked


class Objective:
    """L(w), a sum of parts that are computed one after the other, for the memory they take.

    Nothing here changes parameters, buffers, generators or `.grad`.

    Args:
        parameters: w, the tensors that are differentiated by.
        parts: each computes its share of L, a scalar, from the parameters as they stand.
    """

    def __init__(self, parameters: Sequence[Tensor], parts: Sequence[Callable[[], Tensor]]) -> None:
        self.parameters, self._parts = list(parameters), parts

    @property
    def size(self) -> int:
        """How many numbers w holds."""
        return sum(parameter.numel() for parameter in self.parameters)

    @torch.no_grad()
    def loss(self) -> float:
        """L(w)."""
        return sum(float(part()) for part in self._parts)

    def gradient(self) -> tuple[float, list[Tensor]]:
        """L(w) and its gradient, shaped like the parameters."""
        loss, sums = 0.0, self._zeros()
        for part in self._parts:
            with torch.enable_grad():
                share = part()
                gradient = torch.autograd.grad(share, self.parameters, materialize_grads=True)
            loss += float(share.detach())
            torch._foreach_add_(sums, gradient)
        return loss, sums

    def hessian_product(self, vector: Sequence[Tensor]) -> list[Tensor]:
        """The Hessian at w times a vector, shaped like the parameters: the gradient of
        <gradient, vector>."""
        sums = self._zeros()
        for part in self._parts:
            with torch.enable_grad():
                gradient = torch.autograd.grad(
                    part(), self.parameters, create_graph=True, materialize_grads=True
                )
                product = torch.autograd.grad(
                    [g for g in gradient if g.requires_grad],
                    self.parameters,
                    [v for g, v in zip(gradient, vector, strict=True) if g.requires_grad],
                    materialize_grads=True,
                )
            torch._foreach_add_(sums, product)
        return sums

    @contextmanager
    def kept(self) -> Iterator[list[Tensor]]:
        """Copies of the parameters, for a block that moves them; after it they are as before."""
        before = [parameter.detach().clone() for parameter in self.parameters]
        try:
            yield before
        finally:
            self.move_to(before)

    @torch.no_grad()
    def move_to(self, values: Sequence[Tensor]) -> None:
        """Give the parameters other values, inside `kept`."""
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.copy_(value)

    def flat(self, tensors: Sequence[Tensor]) -> Tensor:
        """Tensors shaped like the parameters as one vector, [size]."""
        return torch.cat([tensor.reshape(-1) for tensor in tensors])

    def shaped(self, vector: Tensor) -> list[Tensor]:
        """A vector [size] as tensors shaped like the parameters."""
        parts = torch.split(vector, [parameter.numel() for parameter in self.parameters])
        return [
            part.view_as(parameter).to(parameter)
            for part, parameter in zip(parts, self.parameters, strict=True)
        ]

    def _zeros(self) -> list[Tensor]:
        return [torch.zeros_like(parameter) for parameter in self.parameters]


@contextmanager
def network_loss(
    model: nn.Module,
    images: DeviceImages,
    places: Tensor,
    *,
    batch: int = 250,
    between: Callable[[], None] = unasked,
) -> Iterator[Objective]:
    """The mean cross-entropy of a network over some images as they are, in eval mode.

    Args:
        model: its modules' modes are put back after the block.
        images: on the model's device.
        places: which of them, int64 [N].
        batch: images computed at once.
        between: called before each batch; what it raises passes.
    """
    modes = {module: module.training for module in model.modules()}
    parameters = [p for p in model.parameters() if p.requires_grad]

    def part(chosen: Tensor) -> Callable[[], Tensor]:
        def share() -> Tensor:
            between()
            logits = model(images.middle(chosen))
            loss = functional.cross_entropy(logits, images.labels[chosen], reduction="sum")
            return loss / len(places)

        return share

    model.eval()
    try:
        yield Objective(parameters, [part(chosen) for chosen in torch.split(places, batch)])
    finally:
        for module, training in modes.items():
            module.training = training
