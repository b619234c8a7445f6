"""A backward pass of our own that has no derivative itself."""

import functools
from collections.abc import Callable
from typing import Any

import torch


def differentiated_once(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Have a Function's `backward` raise RuntimeError where it would be differentiated.

    torch's own `once_differentiable` puts that error at a node of the graph that leads nowhere:
    autograd.grad with the inputs given never comes there, and leaves out a part of the second
    derivative without a word.
    """

    @functools.wraps(backward)
    def checked(ctx: Any, *gradients: Any) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError(
                f"{backward.__qualname__} has no derivative: the second derivative of what it "
                "belongs to (create_graph=True) is not implemented"
            )
        return backward(ctx, *gradients)

    return checked
