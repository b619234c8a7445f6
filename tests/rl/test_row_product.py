"""A matrix times one vector in C, against float64."""

import pytest
import torch

from rl import row_product as row_product_module
from rl.network import q_values
from rl.row_product import row_product
from workload import c_vectors

pytestmark = pytest.mark.usefixtures("compiler")


def of(inputs, outputs):
    torch.manual_seed(inputs + outputs)
    x, matrix, bias = (
        torch.randn(1, 1, inputs),
        torch.randn(1, outputs, inputs),
        torch.randn(1, outputs),
    )
    return [tensor.to(torch.bfloat16) for tensor in (x, matrix, bias)]


@torch.no_grad()
@pytest.mark.parametrize("inputs", [32, 512, 3136])
@pytest.mark.parametrize("outputs", [1, 3, 4, 6, 18, 512])
def test_it_is_the_product_in_float64_rounded_once(inputs, outputs):
    x, matrix, bias = of(inputs, outputs)
    exact = matrix[0].double() @ x[0, 0].double() + bias[0].double()
    # half a place of bfloat16, and what float32 loses of the terms
    room = exact.abs() * 2**-8 + 1e-6 * (matrix[0].double().abs() @ x[0, 0].double().abs())
    found = row_product(x, matrix, bias)
    assert found.shape == (1, 1, outputs)
    assert found.dtype == torch.bfloat16
    assert ((found[0, 0].double() - exact).abs() <= room).all()


@torch.no_grad()
def test_parts_of_something_larger():
    x, matrix, bias = of(64, 10)
    expected = row_product(x, matrix, bias)
    spread = torch.stack([x, x], 3)[..., 0]
    assert not spread.is_contiguous()
    assert torch.equal(row_product(spread, matrix, torch.stack([bias, bias], 2)[..., 0]), expected)


@torch.no_grad()
def test_the_rest_is_left_to_operators():
    x, matrix, bias = of(64, 10)
    assert row_product(x.expand(1, 2, 64), matrix, bias) is None
    assert row_product(x.expand(2, 1, 64), matrix.expand(2, 10, 64), bias) is None
    assert row_product(x.float(), matrix.float(), bias.float()) is None
    assert row_product(x[..., :40], matrix[..., :40].contiguous(), bias) is None
    assert row_product(x, matrix.mT.contiguous().mT, bias) is None
    assert row_product(x, matrix.float(), bias.float()) is None
    assert row_product(x, matrix, bias.float()) is None
    assert row_product(x, matrix[..., :32].contiguous(), bias) is None
    assert row_product(x, matrix, bias[:, :5]) is None
    with torch.enable_grad():
        assert row_product(x, matrix, bias) is None


@torch.no_grad()
def test_one_state_is_worth_what_it_is_among_others():
    """Whoever acts sees the values that are learned, but for a place of bfloat16."""
    from rl.network import Weights, initial_parameters

    weights = Weights(initial_parameters([0], 6, "valid"), torch.bfloat16, frozen=True).values
    frames = torch.randint(0, 256, (1, 32, 4, 84, 84), dtype=torch.uint8)
    together = q_values(weights, frames)
    alone = torch.cat([q_values(weights, frames[:, b : b + 1]) for b in range(32)], 1)
    torch.testing.assert_close(alone, together, rtol=2**-6, atol=2**-7)


def test_without_a_compiler_there_is_none(monkeypatch):
    def none(*_):
        raise c_vectors.CompileError("no C compiler")

    monkeypatch.setattr(c_vectors, "c_function", none)
    monkeypatch.setattr(
        row_product_module, "_c_function", row_product_module._c_function.__wrapped__
    )
    with torch.no_grad():
        assert row_product(*of(32, 4)) is None
