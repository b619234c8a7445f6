"""The parts that the formulas of all optimizers share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def arithmetic(dtype: torch.dtype) -> torch.dtype:
    """In which dtype parameters of `dtype` are updated: float64 in itself, others in float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def root(x: Tensor) -> Tensor:
    """The correctly rounded root, as in C; torch's operator on CPUs is off at times."""
    return x.sqrt() if x.device.type != "cpu" else torch.from_numpy(np.sqrt(x.numpy()))


def shrunk(theta: Tensor, change: Tensor, step: Tensor, c: Any, flags: frozenset[str]) -> Tensor:
    """theta after a change and the decay that acts on theta itself, see `decay.Shrink`.

    Args:
        theta, change, step: [K, n]; `step` is the part of the change that the gradient asks for.
        c: coefficients with the fields of `Shrink`, [K, 1] each.
        flags: `once` rounds the sum alone, else theta*kept is rounded before the change; `aligned`
            decays more where the step moves theta towards 0.
    """
    # not step*theta >= 0: that product may underflow
    agrees = torch.where(theta > 0, step >= 0, step <= 0) if "aligned" in flags else None
    if "once" in flags:
        decay = _chosen(agrees, c.decoupled_aligned, c.decoupled)
        return theta - (change + decay * theta)
    return theta * _chosen(agrees, c.kept_aligned, c.kept) - change


def _chosen(agrees: Tensor | None, where: Tensor, other: Tensor) -> Tensor:
    return other if agrees is None else torch.where(agrees, where, other)


# operation by operation what `shrunk` does
C_SHRINK = """
#if ALIGNED
const int agrees = theta > 0 ? step >= 0 : step <= 0;
const T decay = agrees ? decoupled_aligned : decoupled;
const T keep = agrees ? kept_aligned : kept;
#else
const T decay = decoupled, keep = kept;
#endif
#if ONCE
theta = theta - (change + decay * theta);
#else
theta = theta * keep - change;
#endif
"""
