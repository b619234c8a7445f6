"""Figures of a network's weights, in float64."""

import math

import torch
from torch import nn

from shared_optim.measures.observe import Start


@torch.no_grad()
def squares(model: nn.Module) -> dict[str, float]:
    """|w|^2 of each parameter, by name."""
    return {name: float(p.double().square().sum()) for name, p in model.named_parameters()}


@torch.no_grad()
def distance(model: nn.Module, start: Start) -> float:
    """|w - w_0| over all parameters, w_0 those of `start`."""
    away = sum(
        float((p.double() - start.of(p).double()).square().sum()) for p in model.parameters()
    )
    return math.sqrt(away)
