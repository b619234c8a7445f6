"""The update as the papers write it, one parameter, float64, numpy: what the tests compare with."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from shared_optim.measures.histogram import BINS, ratio_bins


def trajectory(
    theta: np.ndarray,
    gradients: Sequence[np.ndarray],
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    l2: float = 0.0,
    decoupled: float = 0.0,
    separated: float = 0.0,
    multiplier: Callable[[int], float] = lambda t: 1.0,
) -> np.ndarray:
    """theta after one step per gradient, eps outside the bias correction."""
    theta = theta.astype(np.float64)
    b1, b2 = betas
    m, v, decay_m, decay_v = (np.zeros_like(theta) for _ in range(4))
    for t, gradient in enumerate(gradients, start=1):
        s = multiplier(t)
        g = gradient + s * l2 * theta
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        decay_m = b1 * decay_m + (1 - b1) * theta
        decay_v = b2 * decay_v + (1 - b2) * theta**2

        def adam(m: np.ndarray, v: np.ndarray, t: int = t) -> np.ndarray:
            return (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)

        step = adam(m, v) + s * decoupled * theta
        if separated:
            step += s * separated * adam(decay_m, decay_v)
        theta = theta - lr * step
    return theta


def parameters(
    *shapes: tuple[int, ...], dtype: torch.dtype = torch.float32, seed: int = 0
) -> list[nn.Parameter]:
    random = torch.Generator().manual_seed(seed)
    return [
        nn.Parameter(torch.randn(shape, generator=random, dtype=torch.float64).to(dtype))
        for shape in shapes
    ]


def noise(*shapes: tuple[int, ...], steps: int, seed: int = 1) -> list[list[torch.Tensor]]:
    """Gradients, a list per step, float64."""
    random = torch.Generator().manual_seed(seed)
    return [
        [torch.randn(shape, generator=random, dtype=torch.float64) for shape in shapes]
        for _ in range(steps)
    ]


def train(
    optimizer: torch.optim.Optimizer,
    gradients: Sequence[Sequence[torch.Tensor]],
    scale: float = 1.0,
) -> list[torch.Tensor]:
    """Give every parameter its gradients in turn, step, and return the parameters."""
    given = [p for group in optimizer.param_groups for p in group["params"]]
    for step in gradients:
        for parameter, gradient in zip(given, step, strict=True):
            parameter.grad = (gradient * scale).to(parameter.dtype)
        optimizer.step()
    return [parameter.detach() for parameter in given]


def named(value: object) -> str:
    """An id that is the same in every process, for functions too."""
    return getattr(value, "__name__", str(value))


def ratio_histogram(numerator, denominator):
    """How many |numerator / denominator| fall into each bin, [BINS]."""
    return torch.bincount(ratio_bins(numerator, denominator).view(-1), minlength=BINS)
