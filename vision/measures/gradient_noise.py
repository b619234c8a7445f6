"""The noise of stochastic gradients: gradients of single images."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.linalg import vector_norm
from torch.nn.modules.batchnorm import _BatchNorm

from workload.errors import UserError

SampleLoss = Callable[[Tensor, Tensor], Tensor]
"""The loss of one sample, a scalar, from its output [outputs] and its target."""


@dataclass(frozen=True)
class GradientNoise:
    """How large the gradients g_i of the losses L_i of N samples are.

    Attributes:
        loss: L = mean_i L_i.
        square: mean_i |g_i|^2.
        square_of_mean: |mean_i g_i|^2, of the gradient of L.
        lowest, highest: of the samples' own |g_i|^2 / L_i; nan where no L_i is above 0.
    """

    loss: float
    square: float
    square_of_mean: float
    lowest: float
    highest: float

    @property
    def variance(self) -> float:
        """The trace of the gradients' covariance: mean_i |g_i - mean g|^2."""
        return self.square - self.square_of_mean

    @property
    def ratio(self) -> float:
        """mean_i |g_i|^2 / L, which Proposition 3 of the talk holds between two constants."""
        return self.square / self.loss if self.loss else math.nan


def gradient_noise(
    model: nn.Module, loss: SampleLoss, inputs: Tensor, targets: Tensor, *, batch: int = 25
) -> GradientNoise:
    """Measure a network on some samples, in its present mode. Changes nothing in it.

    Args:
        model: without batch normalisation: a sample's gradient must not depend on others.
        loss: of one sample.
        inputs: [N, ...], a sample each.
        targets: [N, ...].
        batch: samples whose gradients are held at once, `batch` times the parameters.

    Raises:
        UserError: the network has batch normalisation.

    Source: D'Angelo, Andriushchenko, Varre, Flammarion, "Why Do We Need Weight Decay in Modern Deep
    Learning?", NeurIPS 2024.
    """
    losses, squares = [], []
    sums: dict[str, Tensor] = {}
    for each, gradients in sample_gradients(model, loss, inputs, targets, batch=batch):
        losses.append(each.double())
        norms = [vector_norm(g.flatten(1), dim=1, dtype=torch.float64) for g in gradients.values()]
        squares.append(torch.stack(norms).square().sum(0))
        for name, gradient in gradients.items():
            total = gradient.sum(0, dtype=torch.float64)
            sums[name] = sums[name] + total if name in sums else total
    loss_of, square_of = torch.cat(losses), torch.cat(squares)
    ratios = (square_of / loss_of)[loss_of > 0]
    return GradientNoise(
        loss=float(loss_of.mean()),
        square=float(square_of.mean()),
        square_of_mean=sum(float((each / len(inputs)).square().sum()) for each in sums.values()),
        lowest=float(ratios.min()) if len(ratios) else math.nan,
        highest=float(ratios.max()) if len(ratios) else math.nan,
    )


def sample_gradients(
    model: nn.Module, loss: SampleLoss, inputs: Tensor, targets: Tensor, *, batch: int
) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Losses [B] and gradients, by name [B, ...], of `batch` samples after the other.

    Raises:
        UserError: the network has batch normalisation.
    """
    require_no_batch_norm(model)
    values = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}

    def loss_of(values: dict[str, Tensor], sample: Tensor, target: Tensor) -> Tensor:
        return loss(functional_call(model, values, (sample[None],))[0], target)

    of_each = vmap(grad_and_value(loss_of), in_dims=(None, 0, 0))
    for samples, own in zip(torch.split(inputs, batch), torch.split(targets, batch), strict=True):
        gradients, losses = of_each(values, samples, own)
        yield losses, gradients


def require_no_batch_norm(model: nn.Module) -> None:
    """Raise UserError for a network in which a sample's loss depends on the batch around it."""
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm):
            raise UserError(
                f"norm: {name} is batch normalisation: through it an image's gradient depends on "
                "its batch, and single images have none; train with --norm none"
            )
