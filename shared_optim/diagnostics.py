"""The inside of the optimizer, measured at one step: log|m/w|, norms, the drowned fraction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from shared_optim.groups import LAMBDAS, spread
from shared_optim.histogram import BINS, log_quantiles, ratio_histogram, split_counts
from shared_optim.optimizer import WeightDecayAdam
from shared_optim.schedules import parse_schedule

QUANTILES = {f"q{percent:02d}": percent / 100 for percent in (1, 5, 25, 50, 75, 95, 99)}
REFERENCE_LAMBDA = 1e-3
"""At which lambda a member without decay reports what would drown: the largest of Table 1."""

_SUMS = ("elements", "weight", "gradient", "update", "weight_gradient", "drowned")


@dataclass(frozen=True)
class Tally:
    """What is counted and summed over some elements of each member; tallies add up.

    Attributes:
        counts: histogram of |m/w|, [K, BINS] int64.
        sums: [K, 6] float64: elements, squares of weight, gradient and update, weight * gradient,
            drowned elements.
    """

    counts: Tensor
    sums: Tensor

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.counts + other.counts, self.sums + other.sums)

    def metrics(self, member: int, prefix: str) -> dict[str, float]:
        """Plain numbers of one member under `prefix`, see `StepReport.metrics`."""
        inner, untouched, zero = split_counts(self.counts[member])
        quantiles = log_quantiles(inner, torch.tensor(list(QUANTILES.values())))
        elements, weight, gradient, update, product, drowned = self.sums[member].tolist()
        norms = (weight * gradient) ** 0.5
        return {
            **{
                f"{prefix}/log_m_over_w/{name}": value
                for name, value in zip(QUANTILES, quantiles.tolist(), strict=True)
            },
            f"{prefix}/elements": elements,
            f"{prefix}/zero_weights": float(zero),
            f"{prefix}/untouched": float(untouched),
            f"{prefix}/weight_norm": weight**0.5,
            f"{prefix}/gradient_norm": gradient**0.5,
            f"{prefix}/update_norm": update**0.5,
            f"{prefix}/cos_weight_gradient": -product / norms if norms else float("nan"),
            f"{prefix}/drowned_fraction": drowned / elements if elements else float("nan"),
        }


@dataclass(frozen=True)
class StepReport:
    """What `observe_step` measured: a tally per layer, by name."""

    layers: dict[str, Tally]

    @property
    def network(self) -> Tally:
        """All layers together."""
        first, *rest = self.layers.values()
        return sum(rest, start=first)

    def metrics(self, member: int = 0) -> dict[str, float]:
        """One member's figures as `optim/<name>`, and per layer as `optim/layer/<layer>/<name>`.

        With w the weights that the step read, g the objective's gradient at w, m the first moment
        after the step:

        * `log_m_over_w/q01` ... `q99`: quantiles of ln|m/w| to within 0.0039, over the elements
          where neither is 0. `untouched` counts those whose m is 0, `zero_weights` those whose w
          is 0, `elements` all.
        * `weight_norm`, `gradient_norm`, `update_norm`: |w|, |g| and |w' - w|, Euclidean.
        * `cos_weight_gradient`: cos(w, -g), above 0 where the objective wants w to grow.
        * `drowned_fraction`: share of elements with lambda*|w| > |m^ - s*l2*w|, the decay's
          signal against the objective's, where m^ is m without its bias and s the schedule's
          multiplier. Under l2 this is what happens inside m; under the other schemes it is what
          would happen at the member's lambda, and without decay at REFERENCE_LAMBDA.
        """
        result = self.network.metrics(member, "optim")
        for name, tally in self.layers.items():
            result |= tally.metrics(member, f"optim/layer/{name}")
        return result


@torch.no_grad()
def observe_step(
    optimizer: WeightDecayAdam, *, active: Sequence[bool] | Tensor | None = None
) -> StepReport:
    """Take `optimizer.step(active=active)` and measure it.

    Costs a copy of the parameters while it lasts, and the time of a few steps. Parameters without
    a gradient are left out; rows of inactive members mean nothing.
    """
    before = {
        parameter: parameter.detach().clone()
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    }
    optimizer.step(active=active)
    layers: dict[str, Tally] = {}
    for group in optimizer.param_groups:
        names = group.get("param_names", [])
        for i, parameter in enumerate(group["params"]):
            if parameter in before:
                name = names[i] if names else str(len(layers))
                state = optimizer.state[parameter]
                layers[name] = _tally(group, parameter, before[parameter], state)
    return StepReport(layers)


def _tally(group: dict[str, Any], parameter: Tensor, before: Tensor, state: Any) -> Tally:
    members = group["members"] or 1
    weights, gradients, moments, after = (
        tensor.detach().reshape(members, -1)
        for tensor in (before, parameter.grad, state["exp_avg"], parameter)
    )
    steps = torch.as_tensor(state["step"]).reshape(-1).tolist()
    counts = torch.zeros(members, BINS, dtype=torch.int64, device=parameter.device)
    sums = torch.zeros(members, len(_SUMS), dtype=torch.float64, device=parameter.device)
    for k, t in enumerate(steps):
        w, g, m = weights[k], gradients[k], moments[k]
        counts[k] = ratio_histogram(m, w)
        strength, inside = _decay_signal(group, k, members, t)
        objective = m.float() / (1 - group["betas"][0] ** max(t, 1)) - inside * w
        drowned = (strength * w).abs() > objective.abs()
        sums[k, 0] = w.numel()
        for column, vector in enumerate((w, g, after[k] - w), start=1):
            sums[k, column] = torch.linalg.vector_norm(vector, dtype=torch.float64).square()
        sums[k, 4] = torch.dot(w.double(), g.double())
        sums[k, 5] = drowned.sum()
    return Tally(counts.cpu(), sums.cpu())


def _decay_signal(group: dict[str, Any], k: int, members: int, t: int) -> tuple[float, float]:
    """The lambda whose signal is weighed against the objective's, and what of it is inside m."""
    own = {name: float(spread(group[name], members)[k]) for name in LAMBDAS}
    multiplier = parse_schedule(spread(group["schedule"], members)[k]).multiplier(max(t, 1))
    inside = multiplier * own["l2"]
    return inside or max(own.values()) or REFERENCE_LAMBDA, inside
