"""How far apart two states of the same tensors are."""

from collections.abc import Mapping

import torch
from torch import Tensor


def difference(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], tolerance: float
) -> str:
    """Which tensors differ most between two states of one shape, '' where none does.

    Args:
        expected, found: name to tensor.
        tolerance: of |found - expected| / |expected|, Euclidean norms in float64; integers must be
            equal. NaN equals NaN.
    """
    worst, text = 0.0, ""
    for name, value in expected.items():
        other = found[name]
        if torch.equal(value, other):
            continue
        wide, differing = value.double(), other.double()
        unequal = ~((wide == differing) | (wide.isnan() & differing.isnan()))
        apart = torch.where(unequal, differing - wide, 0).norm()
        relative = float(apart / wide.nan_to_num(0.0, 0.0, 0.0).norm().clamp(min=1e-30))
        allowed = tolerance if value.is_floating_point() else 0.0
        if not relative <= allowed and (not text or relative > worst):
            worst = relative
            text = f"{name} differs by {relative:.1e}, allowed is {allowed:.0e}"
    return text
