import pytest
import torch
from torch.nn import functional as F

from nlp import dropout as own
from nlp.dropout import dropout

DTYPES = (torch.float32, torch.bfloat16)


def both(x, p, drawn_before):
    """Ours and torch's from one state of the generator, each with the state it leaves."""
    torch.manual_seed(5)
    if drawn_before:
        torch.empty(drawn_before, dtype=torch.int32).random_(100)  # a word each
    start = torch.get_rng_state()
    ours = dropout(x, p), torch.get_rng_state()
    torch.set_rng_state(start)
    return ours, (F.dropout(x, p), torch.get_rng_state())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("drawn_before", [0, 1, 622, 623, 624])
@pytest.mark.parametrize("size", [1, 311, 312, 313, 625, 40_000])
def test_masks_and_the_generator_are_torchs_wherever_a_block_of_it_ends(dtype, drawn_before, size):
    x = torch.linspace(-3, 3, size).to(dtype)
    (ours, state), (theirs, their_state) = both(x, 0.1, drawn_before)
    assert torch.equal(ours, theirs)
    assert torch.equal(state, their_state)


@pytest.mark.parametrize("p", [0.0, 1e-12, 0.1, 0.5, 1 / 3, 0.999, 1.0])
def test_any_probability_is_torchs(p):
    (ours, state), (theirs, their_state) = both(torch.ones(5000), p, 0)
    assert torch.equal(ours, theirs)
    assert torch.equal(state, their_state)


@pytest.mark.parametrize(
    "x",
    [
        torch.empty(0, 4),
        torch.ones(30, 40, 5),
        torch.ones(30, 40).t(),
        torch.ones(500, dtype=torch.float64),
        torch.tensor([float("inf"), float("nan"), -1.0] * 50),
    ],
    ids=["empty", "three axes", "strided", "float64", "not finite"],
)
def test_any_tensor_is_torchs(x):
    (ours, state), (theirs, their_state) = both(x, 0.3, 0)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(state, their_state)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gradient_goes_through_what_is_kept(dtype):
    x = torch.randn(900).to(dtype).requires_grad_()
    torch.manual_seed(2)
    y = dropout(x, 0.4)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    kept = torch.tensor(1, dtype=dtype) / 0.6
    assert torch.equal(gradient, torch.where(y == 0, 0.0, kept.to(dtype)).to(dtype))


def test_other_masks_than_torchs_are_not_used(monkeypatch):
    """As where torch's come from MKL: its generator is another."""
    own._drawing.cache_clear()
    real = F.dropout

    def from_elsewhere(x, p):
        torch.rand(1)
        return real(x, p)

    monkeypatch.setattr(own.F, "dropout", from_elsewhere)
    try:
        assert own._drawing(torch.float32) is None
    finally:
        own._drawing.cache_clear()


def test_trying_it_leaves_the_generator_alone():
    own._drawing.cache_clear()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    own._drawing(torch.float32)
    assert torch.equal(torch.get_rng_state(), before)
