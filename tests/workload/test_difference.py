"""How far two states may be apart."""

import numpy as np
import pytest
import torch

from workload.difference import difference


@pytest.mark.parametrize(
    ("expected", "found", "text"),
    [
        ([1.0, 2.0], [1.0, 2.0], ""),
        ([3.0, 4.0], [3.0, 4.00004], ""),
        ([3.0, 4.0], [3.0, 4.001], "x differs by 2.0e-04, allowed is 1e-05"),
        ([np.nan, 4.0], [np.nan, 4.0], ""),
        ([0.0, 4.0], [np.nan, 4.0], "x differs by nan"),
    ],
)
def test_differences_are_relative_to_the_norm(expected, found, text):
    states = [{"x": torch.tensor(values)} for values in (expected, found)]
    assert difference(*states, 1e-5).startswith(text)
    assert bool(text) == bool(difference(*states, 1e-5))


def test_whole_numbers_must_be_equal():
    states = [{"heads": torch.tensor([10**6, value])} for value in (7, 8)]
    assert "heads differs" in difference(*states, 1e-5)
