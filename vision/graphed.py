"""A network whose forward and backward passes a GPU replays as CUDA graphs, once proved equal."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from workload.difference import difference

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2}
"""Largest distance of two results over their size: cuDNN may add in no fixed order. A graph that
misses its images, its weights or a gradient is off by about 1."""

Network = Callable[[Tensor], Tensor]


class GraphedNetwork:
    """Calls a network in training by graphs where a batch has the shape that they were made for.

    Each call has one backward pass, `retain_graph` or not: in it the memory of what the call saw is
    used anew. Its gradients lie where the next one writes.

    Args:
        model: on a GPU, in training mode; its state is left as it is.
        images: of a whole batch, [B, 3, H, W] float32.
        dtype: of convolutions and products, by autocast where it is not float32.
    """

    def __init__(self, model: nn.Module, images: Tensor, dtype: torch.dtype) -> None:
        self.plain, self.dtype, self._shape = model, dtype, images.shape
        buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
        # captured calls warm up first, which moves the statistics of normalisation
        with autocast(images.device, dtype, cache_enabled=False):
            torch.cuda.make_graphed_callables(model, (images.clone(),))
        # torch puts the replaying function over the network's own; evaluation keeps that
        self.replayed: Network = vars(model).pop("forward")
        for buffer, before in buffers:
            buffer.copy_(before)

    def __call__(self, images: Tensor) -> Tensor:
        """Logits [B, classes]."""
        if images.shape == self._shape:
            return self.replayed(images)
        logits: Tensor = self.plain(images)
        return logits


def autocast(device: torch.device, dtype: torch.dtype, *, cache_enabled: bool = True) -> Any:
    """The context in which a network computes in float32 or bfloat16."""
    lower = dtype != torch.float32
    return torch.autocast(device.type, dtype, enabled=lower, cache_enabled=cache_enabled)


def problem(
    model: nn.Module,
    network: Network,
    batches: Sequence[tuple[Tensor, Tensor]],
    dtype: torch.dtype,
) -> str:
    """What differs where `network` does not do what the model itself does; '' where nothing does.

    For each batch loss, gradients and statistics of normalisation are compared, from the same
    state; before the second the weights are halved where they are. All is put back.

    Args:
        model: in training mode.
        network: that is to replace its calls.
        batches: images and labels; two of the same size.
        dtype: of its arithmetic.
    """
    state = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        for scale, (images, labels) in zip((1.0, 0.5), batches, strict=True):
            sides = []
            for call in (model, network):
                _put_back(model, state)
                with torch.no_grad():
                    torch._foreach_mul_(list(model.parameters()), scale)
                sides.append(_results(model, call, images, labels, dtype))
            expected, found = sides
            if apart := difference(expected, found, TOLERANCE[dtype]):
                return apart
    except RuntimeError as error:
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    finally:
        _put_back(model, state)
    return ""


def _results(
    model: nn.Module, call: Network, images: Tensor, labels: Tensor, dtype: torch.dtype
) -> dict[str, Tensor]:
    with autocast(images.device, dtype):
        logits = call(images)
    loss = functional.cross_entropy(logits.float(), labels)
    names, parameters = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, parameters)
    named = {f"the gradient of {name}": g.clone() for name, g in zip(names, gradients, strict=True)}
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    return {"the loss": loss.detach().clone(), **named, **buffers}


@torch.no_grad()
def _put_back(model: nn.Module, state: dict[str, Tensor]) -> None:
    for name, value in model.state_dict().items():
        value.copy_(state[name])
