"""Scale-invariant weights held on the unit sphere."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

RADIUS = 1.0


@torch.no_grad()
def project(weights: Sequence[Tensor]) -> None:
    """Scale weights by one factor so that together they have the norm RADIUS::

        w = RADIUS * w / |w|,  |w|^2 the sum of squares of all

    The network's function stays, but for the eps of its normalisation. For such weights a step of
    SGD at the rate alpha turns them by alpha*|g|/|w|, and |g| is proportional to 1/|w|: on the unit
    sphere alpha is the effective rate, alpha/|w|^2, which growth and decay change elsewhere.

    Args:
        weights: all scale-invariant ones of a network, on one device, changed in place.

    Source: Kodryan et al., "Training Scale-Invariant Neural Networks on the Sphere Can Happen in
    Three Regimes", NeurIPS 2022.
    """
    torch._foreach_mul_(list(weights), RADIUS / nn.utils.get_total_norm(weights))
