"""The loss around a network's weights, at random: added noise, and noise in proportion."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from vision.measures.hessian import Estimate, estimate
from vision.measures.objective import Objective
from workload.errors import ConfigError

Kind = Literal["additive", "multiplicative"]


@dataclass(frozen=True)
class Perturbed:
    """The loss under noise of one size.

    Attributes:
        gamma: the size.
        loss: S(gamma), the mean over draws.
        difference: S(gamma) - L.
    """

    gamma: float
    loss: Estimate
    difference: float


def perturbed_losses(
    objective: Objective, kind: Kind, gammas: Sequence[float], *, draws: int, seed: int = 0
) -> list[Perturbed]:
    """The mean loss at randomly moved weights, with delta ~ N(0, I)::

        multiplicative   S(gamma) = E L(w * (1 + gamma*delta))
        additive         S(gamma) = E L(w + gamma*delta)

    The draws of delta are the same for every gamma and, at equal shapes, for every network: numbers
    of runs differ by what the runs differ in. Where weights before normalisation grow by a factor,
    the multiplicative measure stays as it is and the additive one does not.

    Source: Bjorck, Weinberger and Gomes, AAAI 2021, equation 3.
    """
    for gamma in gammas:
        if not gamma > 0:
            raise ConfigError(f"gamma: {gamma} is not above 0")
    if draws < 1:
        raise ConfigError(f"draws: {draws} is not 1 or more")
    before = objective.loss()
    losses: dict[float, list[float]] = {gamma: [] for gamma in gammas}
    with objective.kept() as weights:
        for draw in range(draws):
            generator = torch.Generator().manual_seed(seed * 1_000_003 + draw)
            noise = [torch.randn(w.shape, generator=generator).to(w) for w in weights]
            for gamma in gammas:
                objective.move_to(
                    [
                        w + gamma * delta * (w if kind == "multiplicative" else 1)
                        for w, delta in zip(weights, noise, strict=True)
                    ]
                )
                losses[gamma].append(objective.loss())
    means = {gamma: estimate(values) for gamma, values in losses.items()}
    return [Perturbed(gamma, mean, mean.value - before) for gamma, mean in means.items()]
