"""What is counted and summed over a network's elements at one step, and the figures made of it."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared_optim.figures import PREFIX, QUANTILES
from shared_optim.measures.histogram import log_quantiles

SUMS = np.dtype(
    [
        (name, np.float64)
        for name in (
            "elements",
            "weight",  # w^2
            "gradient",  # g^2
            "update",  # (w' - w)^2
            "weight_gradient",  # w*g
            "weight_update",  # w*(w' - w)
            "distance",  # (w' - w_0)^2
            "drowned",
            "zero",  # w = 0
            "untouched",  # m = 0 and w is not
        )
    ]
)
"""The sums over elements, by name: the sum of two layers' is that of both."""

PROBABILITIES = torch.tensor(list(QUANTILES.values()), dtype=torch.float64)


@dataclass(frozen=True)
class StepReport:
    """What was measured at one step.

    Attributes:
        names: of the L layers.
        sums: [L, K] of SUMS.
        logs: quantiles of ln|m/w|, [L, K, Q] float64.
        counts: the histogram of |m/w| over all layers, [K, BINS] int64, of the elements where
            neither is 0 and the ratio is finite; those of several steps or ranks add up.
        has_start: whether `distance` was measured.
    """

    names: tuple[str, ...]
    sums: NDArray[np.void]
    logs: Tensor
    counts: Tensor
    has_start: bool

    @functools.cached_property
    def network(self) -> NDArray[np.void]:
        """The sums of all layers together, [K] of SUMS."""
        total = np.zeros(self.sums.shape[1], SUMS)
        for name in SUMS.names or ():
            # exactly rounded, so that the order of the layers does not matter
            total[name] = [math.fsum(column) for column in self.sums[name].T]
        return total

    def metrics(self, member: int = 0) -> dict[str, float]:
        """One member's figures as `optim/<name>`, and per layer as `optim/layer/<layer>/<name>`.

        With w the weights that the step read, w' those it wrote, g the gradient at w, and m the
        first moment after the step, see `measures.signal`:

        * `log_m_over_w/q01` ... `q99`: quantiles of ln|m/w| to within 0.0039, over the elements
          where neither is 0 and both are finite. `zero_weights` counts those whose w is 0,
          `untouched` the others whose m is 0, `elements` all.
        * `weight_norm`, `gradient_norm`, `update_norm`: |w|, |g| and |w' - w|, Euclidean.
        * `cos_weight_gradient`: cos(w, -g), above 0 where descent makes w grow.
        * `cross_term`: 2<w, w' - w>. With the square of `update_norm` it is what the step adds to
          |w|^2.
        * `distance`: |w' - w_0| from the weights of a `Start`, where one was given.
        * `drowned_fraction`: the share of elements whose decay outweighs the objective in m,
          lambda*|w| > |m^ - lambda*w|, with m^ the mean of what m remembers. This is measured where
          decay is inside m. For the other schemes it is what would drown: lambda*|w| > |m^| at the
          member's lambda, or at REFERENCE_LAMBDA without decay. lambda stands for the mean of
          s_i*lambda_i over the steps that m remembers. NaN where a gradient is not finite.
        """
        logs = log_quantiles(self.counts[member], PROBABILITIES).tolist()
        result = _figures(self.network[member], logs, PREFIX, self.has_start)
        rows = zip(self.names, self.sums[:, member], self.logs[:, member].tolist(), strict=True)
        for name, sums, logs in rows:
            result |= _figures(sums, logs, f"{PREFIX}/layer/{name}", self.has_start)
        return result


def _figures(sums: np.void, logs: list[float], prefix: str, has_start: bool) -> dict[str, float]:
    elements, weight, gradient, update, product, cross, distance, drowned, zero, untouched = (
        sums.tolist()
    )
    known = elements and math.isfinite(gradient)
    norms = math.sqrt(weight * gradient)
    figures = {
        **{f"{prefix}/log_m_over_w/{name}": log for name, log in zip(QUANTILES, logs, strict=True)},
        f"{prefix}/elements": elements,
        f"{prefix}/zero_weights": zero,
        f"{prefix}/untouched": untouched,
        f"{prefix}/weight_norm": math.sqrt(weight),
        f"{prefix}/gradient_norm": math.sqrt(gradient),
        f"{prefix}/update_norm": math.sqrt(update),
        f"{prefix}/cross_term": 2 * cross,
        f"{prefix}/cos_weight_gradient": -product / norms if norms else math.nan,
        f"{prefix}/drowned_fraction": drowned / elements if known else math.nan,
    }
    if has_start:
        figures[f"{prefix}/distance"] = math.sqrt(distance)
    return figures
