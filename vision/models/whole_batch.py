"""Batch normalisation over a batch that several processes share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn


class BatchNorm2d(nn.BatchNorm2d):
    """torch's, and within `whole_batch` that of the batch which the processes hold together.

    With N values of a channel in all shares, x_i of them here::

        mean = sum x_i / N,  var = sum (x_i - mean)^2 / N
        y_i  = weight * (x_i - mean) / sqrt(var + eps) + bias

    Running statistics are torch's, with var * N / (N - 1). Shares may differ in size, and be empty.
    `nn.SyncBatchNorm` does the same, on GPUs alone.

    Attributes:
        shared: whether it is within `whole_batch`.
    """

    shared = False

    def forward(self, input: Tensor) -> Tensor:
        if not self.shared:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        apply: Any = _Normalise.apply
        y, mean, var, count = apply(input, self.weight, self.bias, self.eps)
        with torch.no_grad():
            self.num_batches_tracked += 1
            unbiased = var * (count / (count - 1))
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        return y  # type: ignore[no-any-return]


@contextmanager
def whole_batch(layers: Sequence[BatchNorm2d]) -> Iterator[None]:
    """Within the block the layers normalise by the batch of all processes, each of which has to
    run them; gradients belong to the sum of the losses of all processes."""
    for layer in layers:
        layer.shared = True
    try:
        yield
    finally:
        for layer in layers:
            layer.shared = False


class _Normalise(torch.autograd.Function):
    """With g_i the gradient of y_i and z_i = (x_i - mean) / sqrt(var + eps)::

        of x_i:  weight / sqrt(var + eps) * (g_i - sum g / N - z_i * sum (g * z) / N)

    the sums over all shares. The gradients of weight and bias are those of this share.

    Source: Ioffe and Szegedy, "Batch Normalization", ICML 2015, section 3.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        channels = x.shape[1]
        here = exact.new_full((1,), x.numel() // channels)
        sums = torch.cat([exact.sum((0, 2, 3)), here])
        torch.distributed.all_reduce(sums)
        count = sums[-1]
        mean = sums[:-1] / count
        centred = exact - _per_channel(mean)
        var = centred.square().sum((0, 2, 3))
        torch.distributed.all_reduce(var)
        var /= count
        scale = (var + eps).rsqrt()
        y = centred * _per_channel(scale * weight) + _per_channel(bias)
        ctx.save_for_backward(x, weight, mean, scale, count)
        ctx.mark_non_differentiable(mean, var, count)
        return y.to(x.dtype), mean, var, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, scale, count = ctx.saved_tensors
        exact = gradient.to(scale.dtype)
        normalised = (x.to(scale.dtype) - _per_channel(mean)) * _per_channel(scale)
        own = torch.stack([exact.sum((0, 2, 3)), (exact * normalised).sum((0, 2, 3))])
        whole = own.clone()
        torch.distributed.all_reduce(whole)
        first, second = whole / count
        of_x = exact - _per_channel(first) - normalised * _per_channel(second)
        of_x *= _per_channel(scale * weight)
        return of_x.to(x.dtype), own[1].to(weight.dtype), own[0].to(weight.dtype), None


def _per_channel(values: Tensor) -> Tensor:
    """[C] -> [C, 1, 1], as it multiplies [B, C, H, W]."""
    return values[:, None, None]
