"""Convolutions as products of matrices, against torch's in float64."""

import pytest
import torch
import torch.nn.functional as F

from rl.patches import _summed_products, convolution_relu


@pytest.mark.parametrize(
    ("side", "channels", "size", "stride"),
    [(12, 4, 8, 4), (20, 3, 4, 2), (9, 5, 3, 1), (6, 2, 6, 6)],
)
def test_values_and_gradients_are_those_of_a_convolution(side, channels, size, stride):
    random = torch.Generator().manual_seed(size)
    x = torch.randn(2, 3, side, side, channels, generator=random, dtype=torch.float64)
    kernel = torch.randn(2, 7, channels, size, size, generator=random, dtype=torch.float64)
    bias = torch.randn(2, 7, generator=random, dtype=torch.float64)
    inputs = [tensor.requires_grad_() for tensor in (x, kernel, bias)]
    ours = convolution_relu(*inputs, stride)
    each = [
        F.conv2d(x[k].permute(0, 3, 1, 2), kernel[k], bias[k], stride).relu().permute(0, 2, 3, 1)
        for k in range(2)
    ]
    theirs = torch.stack(each)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    weights = torch.randn(ours.shape, generator=random, dtype=torch.float64)
    for mine, its in zip(
        torch.autograd.grad((ours * weights).sum(), inputs),
        torch.autograd.grad((theirs * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(mine, its, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [16, 24, 13])
def test_sums_in_parts_are_the_whole_sum(n):
    random = torch.Generator().manual_seed(n)
    rows, gradient = (torch.randn(2, n, w, generator=random, dtype=torch.float64) for w in (5, 3))
    expected = torch.einsum("gni,gnf->gif", rows, gradient)
    torch.testing.assert_close(_summed_products(rows, gradient), expected)


def test_bytes_have_no_gradient_and_are_taken_as_they_are():
    x = torch.randint(0, 256, (1, 2, 8, 8, 4), dtype=torch.uint8)
    kernel = torch.randn(1, 3, 4, 4, 4, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(1, 3, dtype=torch.float64)
    ours = convolution_relu(x, kernel, bias, 4)
    wide = convolution_relu(x.double(), kernel, bias, 4)
    assert torch.equal(ours, wide)
    ours.sum().backward()
    assert kernel.grad is not None
