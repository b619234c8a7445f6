"""The products of a step's growth, against numpy's in float64."""

import numpy as np
import pytest
import torch

from vision import step_products as module
from vision.step_products import step_products


@pytest.mark.parametrize("way", ["compiled", "operators"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 4096, 100_003])
def test_products_are_those_of_numpy(n, dtype, way, monkeypatch):
    if way == "operators":
        monkeypatch.setattr(module, "_c_function", lambda _: None)
    else:
        assert module._c_function(dtype)
    w, step, g = torch.randn(3, n, generator=torch.Generator().manual_seed(n), dtype=dtype)
    after = w + 1e-3 * step
    x, y, z = (each.double().numpy() for each in (w, after, g))
    u = y - x
    expected = [u @ u, x @ u, z @ z, x @ z]
    np.testing.assert_allclose(step_products(w, after, g), expected, rtol=1e-12, atol=1e-13)
