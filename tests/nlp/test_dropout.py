import platform
import shutil
import threading

import pytest
import torch
from torch.nn import functional as F

from nlp import dropout as own
from nlp.dropout import dropout

DTYPES = (torch.float32, torch.bfloat16)


def draws_as_torch_does_elsewhere():
    """Whether torch draws masks by its own generator, one by one, and there is a compiler."""
    if shutil.which("cc") is None:
        return False
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return "GenuineIntel" not in file.read()
    except OSError:
        return platform.machine() == "arm64"


needs_c = pytest.mark.skipif(
    not draws_as_torch_does_elsewhere(),
    reason="no C compiler, or an Intel CPU, on which torch's masks are MKL's",
)


@needs_c
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_c_is_what_draws(dtype):
    assert own._drawing(dtype) is not None


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


@pytest.fixture
def tried_anew():
    own._drawing.cache_clear()
    yield
    own._drawing.cache_clear()


@needs_c
@pytest.mark.parametrize("drawn_more", [0, 1])
def test_other_masks_than_torchs_are_not_used(monkeypatch, tried_anew, drawn_more):
    """As where torch's come from MKL: its generator is another."""
    real = F.dropout

    def from_elsewhere(x, p):
        torch.rand(drawn_more)
        return real(x, p)

    monkeypatch.setattr(own.F, "dropout", from_elsewhere)
    assert (own._drawing(torch.float32) is None) == bool(drawn_more)


def test_trying_it_leaves_every_generator_alone(monkeypatch, tried_anew):
    torch.manual_seed(3)
    before, seeded = torch.get_rng_state(), []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    own._drawing(torch.float32)
    assert torch.equal(torch.get_rng_state(), before)
    assert not seeded


def test_the_default_device_is_not_asked(tried_anew):
    x = torch.ones(1000)
    torch.manual_seed(4)
    expected = F.dropout(x, 0.2)
    torch.manual_seed(4)
    own._bits_of_kept.cache_clear()
    with torch.device("meta"):
        assert torch.equal(dropout(x, 0.2), expected)


@needs_c
@pytest.mark.parametrize("attempt", range(5))
def test_threads_draw_different_masks(tried_anew, attempt):
    """Also while one of them tries the C."""
    x, masks = torch.ones(20_000), []
    threads = [
        threading.Thread(target=lambda: masks.extend(dropout(x, 0.5) for _ in range(20)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({mask.numpy().tobytes() for mask in masks}) == 40
