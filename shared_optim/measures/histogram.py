"""Histograms of |a/b| over the bits of a float32: any range, exactly mergeable, quick to fill.

The upper 16 bits of a positive float32, its exponent and 7 bits of mantissa, number 32,768 bins
that are equally wide on a logarithmic scale, nearly. A histogram is their counts, and the sum of
two histograms is the histogram of both data: over layers, members, steps and ranks.
"""

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BINS = 1 << 15
_MANTISSA = 16
_MAGNITUDE = 0x7FFFFFFF
_INFINITY = 0x7F80  # the bin of infinity; those above it are of NaN


def ratio_bins(numerator: Tensor, denominator: Tensor) -> Tensor:
    """The bin of each |numerator / denominator|, the upper 16 bits of it as a float32, int32.

    Bin 0 holds the zeros: elements whose numerator alone is 0 (and quotients below 1e-40). The
    bins from that of infinity on hold the elements whose denominator is 0 (and quotients above
    3.4e38, and NaN).

    Args:
        numerator: any shape, floating point; divided in float32 or wider, counted as float32.
        denominator: of the same shape.
    """
    ratio = at_least_float(numerator) / at_least_float(denominator)
    bits = ratio.float().view(torch.int32).bitwise_and_(_MAGNITUDE)
    return bits.bitwise_right_shift_(_MANTISSA)


def at_least_float(tensor: Tensor) -> Tensor:
    """float64 as it is, anything else in float32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def split_counts(counts: Tensor) -> tuple[Tensor, Tensor]:
    """A histogram [..., BINS] without its ends, and the number of zeros [...].

    The first is zero in the bins of zero, infinity and NaN.
    """
    inner = counts.clone()
    inner[..., 0] = 0
    inner[..., _INFINITY:] = 0
    return inner, counts[..., 0]


def log_quantiles(counts: Tensor, probabilities: Tensor) -> Tensor:
    """Quantiles of the natural logarithm of what was counted, [..., Q] float64.

    The q-quantile is the smallest value v such that at least q*n of the n values are <= v (numpy's
    `inverted_cdf`). Its logarithm is right to within 0.0039 above 1e-38: a bin spans at most a
    factor 1 + 1/128, and v is taken to be in the middle. NaN where nothing was counted.

    Args:
        counts: [..., BINS] int64 without infinities and NaN, see `split_counts`.
        probabilities: [Q] in (0, 1], float64: 0.05 in float32 is above 0.05, a rank too high.
    """
    cumulated = counts.cumsum(-1)
    total = cumulated[..., -1:]
    wanted = (probabilities.to(counts.device, torch.float64) * total).ceil().clamp(min=1)
    bins = torch.searchsorted(cumulated, wanted.long()).clamp(max=_INFINITY - 1)
    return logs_of_bins(torch.where(total > 0, bins, -1))


def logs_of_bins(bins: Tensor) -> Tensor:
    """The natural logarithm in the middle of each bin, float64; NaN for -1."""
    return torch.from_numpy(_table()[bins.numpy()]) if bins.is_cpu else _logs(bins)


def _logs(bins: Tensor) -> Tensor:
    middle = (bins.clamp(min=0).int() << _MANTISSA) + (1 << (_MANTISSA - 1))
    return torch.where(bins >= 0, middle.view(torch.float32).double().log(), torch.nan)


@functools.cache
def _table() -> NDArray[np.float64]:
    """The logarithms of all bins, and last that of -1."""
    logs: NDArray[np.float64] = _logs(torch.arange(-1, BINS, device="cpu").roll(-1)).numpy()
    return logs
