"""Histograms of |a/b| over the bits of a float32: any range, exactly mergeable, quick to fill.

The upper 16 bits of a positive float32, its exponent and 7 bits of mantissa, number 32,768 bins
of equal width in relative terms. A histogram is their counts, and the sum of two histograms is the
histogram of both data: over layers, members, steps and ranks.
"""

from __future__ import annotations

import torch
from torch import Tensor

BINS = 1 << 15
_MANTISSA = 16
_MAGNITUDE = 0x7FFFFFFF
_INFINITY = 0x7F80  # the bin of infinity; those above it are of NaN
_CHUNK = 1 << 16  # elements at a time: the passes after the first find them in the cache


def ratio_histogram(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Counts of |numerator / denominator| by the upper 16 bits, [BINS] int64.

    Args:
        numerator: any shape, floating point; narrower dtypes are taken as float32.
        denominator: of the same shape.

    Bin 0 holds the zeros: elements whose numerator is 0 (and quotients below 1e-40). The bins from
    that of infinity on hold the elements whose denominator is 0 (and quotients above 3.4e38).
    """
    counts = torch.zeros(BINS, dtype=torch.int64, device=numerator.device)
    pairs = zip(
        numerator.reshape(-1).split(_CHUNK), denominator.reshape(-1).split(_CHUNK), strict=True
    )
    for above, below in pairs:
        bits = (above / below).float().view(torch.int32)
        bits &= _MAGNITUDE
        bits >>= _MANTISSA
        counts += torch.bincount(bits, minlength=BINS)
    return counts


def split_counts(counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A histogram [..., BINS] without its ends, the number of zeros [...] and of infinities [...].

    The first is zero in the bins of zero, infinity and NaN.
    """
    inner = counts.clone()
    inner[..., 0] = 0
    inner[..., _INFINITY:] = 0
    return inner, counts[..., 0], counts[..., _INFINITY:].sum(-1)


def log_quantiles(counts: Tensor, probabilities: Tensor) -> Tensor:
    """Quantiles of the natural logarithm of what was counted, [..., len(probabilities)] float64.

    The q-quantile is that of the smallest value v with at least q * n of n values <= v (numpy's
    `inverted_cdf`), to within 0.0039: v is taken to lie in the middle of its bin, and a bin is
    1/128 of a power of two wide. NaN where nothing was counted.

    Args:
        counts: [..., BINS] int64, without infinities and NaN, see `split_counts`.
        probabilities: [Q] in (0, 1].
    """
    cumulated = counts.cumsum(-1)
    total = cumulated[..., -1:]
    wanted = (probabilities.to(counts.device, torch.float64) * total).ceil().clamp(min=1)
    bins = torch.searchsorted(cumulated.double(), wanted).clamp(max=_INFINITY - 1)
    middle = (bins.to(torch.int32) << _MANTISSA) + (1 << (_MANTISSA - 1))
    logs = middle.view(torch.float32).double().log()
    return torch.where(total > 0, logs, torch.nan)
