"""How numbers are shown."""

import math

import pytest
import torch

from shared_optim.figures import MEDIAN
from shared_optim.measures.histogram import log_quantiles
from tests.shared_optim.reference import ratio_histogram


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(1e-3, "1.00e-03"), (2.5e-15, "2.50e-15"), (1.5e-40, "1.50e-40"), (3e-43, "<1e-40")],
)
def test_ratios_too_small_to_be_told_apart_are_said_to_be_small(ratio, text):
    assert MEDIAN.text(math.log(ratio)) == text


def test_a_median_of_stuck_moments_is_shown_as_small():
    """0.9 * m is m itself for four times the smallest float32: such moments never reach 0."""
    stuck = torch.tensor([4 * 2.0**-149])
    assert torch.equal(0.9 * stuck, stuck)
    counts = ratio_histogram(stuck, torch.tensor([0.02]))
    (log,) = log_quantiles(counts, torch.tensor([0.5], dtype=torch.float64)).tolist()
    assert MEDIAN.text(log) == "<1e-40"
