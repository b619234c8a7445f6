"""The inside of the optimizer, measured at one step: log|m/w|, norms, the drowned fraction."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from shared_optim.adam import WeightDecayAdam
from shared_optim.figures import PREFIX, QUANTILES
from shared_optim.group import spread
from shared_optim.histogram import (
    at_least_float,
    chunks,
    log_quantiles,
    ratio_histogram,
    split_counts,
)
from shared_optim.schedules import parse_schedule
from shared_optim.schemes import SCHEMES, decaying

REFERENCE_LAMBDA = 1e-3
"""At which lambda a member without decay reports what would drown: the largest of Table 1."""


@dataclass(frozen=True)
class LayerStatistics:
    """What is counted and summed over some elements of each member; they add up.

    Attributes:
        counts: histogram of |m/w|, [K, BINS] int64.
        sums: [K, 6] float64: the squares of weight, gradient and update, weight * gradient, and
            the numbers of drowned elements and of zero weights.
    """

    counts: Tensor
    sums: Tensor

    def __add__(self, other: LayerStatistics) -> LayerStatistics:
        return LayerStatistics(self.counts + other.counts, self.sums + other.sums)

    def metrics(self, member: int, prefix: str) -> dict[str, float]:
        """Plain numbers of one member under `prefix`, see `StepReport.metrics`."""
        inner, untouched = split_counts(self.counts[member])
        elements = float(self.counts[member].sum())
        probabilities = torch.tensor(list(QUANTILES.values()), dtype=torch.float64)
        quantiles = log_quantiles(inner, probabilities).tolist()
        weight, gradient, update, product, drowned, zero = self.sums[member].tolist()
        known = elements and math.isfinite(gradient)
        norms = math.sqrt(weight * gradient)
        return {
            **{
                f"{prefix}/log_m_over_w/{name}": quantile
                for name, quantile in zip(QUANTILES, quantiles, strict=True)
            },
            f"{prefix}/elements": elements,
            f"{prefix}/zero_weights": zero,
            f"{prefix}/untouched": float(untouched),
            f"{prefix}/weight_norm": math.sqrt(weight),
            f"{prefix}/gradient_norm": math.sqrt(gradient),
            f"{prefix}/update_norm": math.sqrt(update),
            f"{prefix}/cos_weight_gradient": -product / norms if norms else math.nan,
            f"{prefix}/drowned_fraction": drowned / elements if known else math.nan,
        }


@dataclass(frozen=True)
class StepReport:
    """What `observe_step` measured: statistics per layer, by name."""

    layers: dict[str, LayerStatistics]

    @functools.cached_property
    def network(self) -> LayerStatistics:
        """All layers together."""
        return functools.reduce(LayerStatistics.__add__, self.layers.values())

    def metrics(self, member: int = 0) -> dict[str, float]:
        """One member's figures as `optim/<name>`, and per layer as `optim/layer/<layer>/<name>`.

        With w the weights that the step read, w' those it wrote, g the gradient at w, and m the
        first moment after the step:

        * `log_m_over_w/q01` ... `q99`: quantiles of ln|m/w| to within 0.0039, over the elements
          where neither is 0 and both are finite. `zero_weights` counts those whose w is 0,
          `untouched` the others whose m is 0, `elements` all.
        * `weight_norm`, `gradient_norm`, `update_norm`: |w|, |g| and |w' - w|, Euclidean.
        * `cos_weight_gradient`: cos(w, -g), above 0 where descent makes w grow.
        * `drowned_fraction`: the share of elements whose decay outweighs the objective in m,
          lambda*|w| > |m^ - lambda*w| with m^ = m/(1-b1^t). This is measured under l2. For the
          other schemes it is what would drown: lambda*|w| > |m^| at the member's lambda, or at
          REFERENCE_LAMBDA without decay. Under a schedule, lambda stands for the mean of s_i*lambda
          over the steps that m remembers. NaN where a gradient is not finite.
        """
        result = self.network.metrics(member, PREFIX)
        for name, layer in self.layers.items():
            result |= layer.metrics(member, f"{PREFIX}/layer/{name}")
        return result


@torch.no_grad()
def observe_step(
    optimizer: WeightDecayAdam, *, active: Sequence[bool] | Tensor | None = None
) -> StepReport:
    """Take `optimizer.step(active=active)` and measure it, per member and layer.

    Costs a copy of the parameters while it lasts, and the time of about five steps. Parameters
    without a gradient are left out; what is reported of inactive members means nothing. Layers
    are named after the parameters where the optimizer was given names, else 0, 1, ...

    Raises:
        ValueError: no parameter has a gradient.
        TypeError: another optimizer.
    """
    if not isinstance(optimizer, WeightDecayAdam):
        raise TypeError(f"observe_step takes a WeightDecayAdam, not a {type(optimizer).__name__}")
    parameters = [
        (group, parameter) for group in optimizer.param_groups for parameter in group["params"]
    ]
    names = [name for group in optimizer.param_groups for name in group.get("param_names", [])]
    weights = [p.detach().clone() if p.grad is not None else None for _, p in parameters]
    optimizer.step(active=active)
    layers = {}
    for i, ((group, parameter), before) in enumerate(zip(parameters, weights, strict=True)):
        if before is not None:
            state = optimizer.state[parameter]
            layers[names[i] if names else str(i)] = _layer(group, parameter, before, state)
    if not layers:
        raise ValueError("no parameter has a gradient: call backward() before observe_step()")
    return StepReport(layers)


def _layer(
    group: dict[str, Any], parameter: Tensor, before: Tensor, state: dict[str, Any]
) -> LayerStatistics:
    members = group["members"] or 1
    assert parameter.grad is not None
    weights, gradients, after, moments = (
        tensor.reshape(members, -1)
        for tensor in (before, parameter.grad, parameter.detach(), state["exp_avg"])
    )
    counts, sums = [], []
    for k, t in enumerate(spread(state["step"], members)):
        decay, inside = _decay(group, k, max(t, 1))
        bias = 1 - group["betas"][0] ** max(t, 1)
        counts.append(ratio_histogram(moments[k], weights[k]))
        sums.append(
            _sums(weights[k], gradients[k], after[k], moments[k], decay * bias, inside * bias)
        )
    return LayerStatistics(torch.stack(counts).cpu(), torch.stack(sums).cpu())


def _sums(
    weight: Tensor, gradient: Tensor, after: Tensor, moment: Tensor, decay: float, inside: float
) -> Tensor:
    """The sums [6] of a `LayerStatistics` over one layer of one member, whose tensors are all [n].

    An element is drowned when |m/w - inside| < decay. Both are lambda*(1-b1^t) under l2, and
    inside is 0 otherwise.
    """
    sums = torch.zeros(6, dtype=torch.float64, device=weight.device)
    for chunk in chunks(weight, gradient, after, moment):
        w, g, new, m = map(at_least_float, chunk)
        drowned = (m / w).sub_(inside).abs_() < decay
        zeros = w.numel() - w.count_nonzero()
        # squares of small gradients are no float32
        w, g, update = w.double(), g.double(), new.double() - w.double()
        products = (w.dot(w), g.dot(g), update.dot(update), w.dot(g))
        sums += torch.stack([*products, drowned.count_nonzero().double(), zeros.double()])
    return sums


def _decay(group: dict[str, Any], k: int, t: int) -> tuple[float, float]:
    """Member k's lambda, the reference where it has none, and what of it is inside m^."""
    members = group["members"] or 1
    own = {name: spread(group[name], members)[k] for name in decaying()}
    inside = sum(value for name, value in own.items() if SCHEMES[name].in_gradient)
    remembered = _remembered(spread(group["schedule"], members)[k], group["betas"][0], t)
    return remembered * (inside or max(own.values()) or REFERENCE_LAMBDA), remembered * inside


@functools.lru_cache(maxsize=64)
def _remembered(schedule: str, beta: float, t: int) -> float:
    """The mean of the multipliers s_1, ..., s_t as m^ weighs its gradients: by beta^(t-i)."""
    multiplier = parse_schedule(schedule).multiplier
    total = weights = 0.0
    weight = 1.0
    for i in range(t, 0, -1):
        total += weight * multiplier(i)
        weights += weight
        weight *= beta
        if weight < 1e-16:
            break
    return total / weights
