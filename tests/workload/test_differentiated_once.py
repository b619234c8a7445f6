"""A backward pass without a derivative says so wherever one is asked for."""

import pytest
import torch

from workload.differentiated_once import differentiated_once


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    @differentiated_once
    def backward(ctx, of_result):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * of_result


def test_the_first_derivative_is_there():
    x = torch.tensor([2.0], requires_grad=True)
    (found,) = torch.autograd.grad(Cube.apply(x).sum(), x)
    assert found.tolist() == [12.0]


def test_a_second_one_is_an_error_where_torchs_own_decorator_leaves_it_out():
    """d2/dx2 (x^3 + x^2) is 6x + 2, not 2."""
    x = torch.tensor([2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"Cube\.backward has no derivative"):
        torch.autograd.grad((Cube.apply(x) + x**2).sum(), x, create_graph=True)
