"""Attention in C against its formula in float64, sentence by sentence and head by head."""

import math

import pytest
import torch

from shared_optim.compiler import CompileError
from workload import attention as attention_module
from workload import c_vectors
from workload.attention import native_attention

pytestmark = pytest.mark.usefixtures("compiler")

LONG = 64  # no sentence here is longer
HALF_A_PLACE = {torch.float32: 2e-6, torch.bfloat16: 2**-8}


def plain(query, key, value, heads, padding):
    """[words, C] of one sentence: softmax(q k^T / sqrt(size)) v, [words of query, C]."""
    nt, ns, size = len(query), len(key), query.shape[1] // heads
    unseen = torch.ones(nt, ns).triu(1).bool() if padding is None else padding.expand(nt, ns)
    results = []
    for h in range(heads):
        q, k, v = (x[:, h * size : (h + 1) * size] for x in (query, key, value))
        scores = (q @ k.T / math.sqrt(size)).masked_fill(unseen, -torch.inf)
        results.append(scores.softmax(1) @ v)
    return torch.cat(results, 1)


def expected(first, second, heads, words, padding, of_result):
    """The result and the gradients, in float64."""
    inputs = [x.detach().double().requires_grad_() for x in (first, second) if x is not None]
    by_sentence = [x.transpose(0, 1) if words == 0 else x for x in inputs]
    sentences = []
    for b in range(len(by_sentence[0])):
        own = [x[b] for x in by_sentence]
        parts = own[0].chunk(3, 1) if second is None else (own[0], *own[1].chunk(2, 1))
        sentences.append(plain(*parts, heads, None if padding is None else padding[b]))
    result = torch.stack(sentences, 1 - words)
    return result.detach(), torch.autograd.grad(result, inputs, of_result.double())


def ragged(sentences, words):
    """Padding on the left, of other lengths; the first sentence has none."""
    missing = [b % words for b in range(sentences)]
    return torch.tensor([[s < gone for s in range(words)] for gone in missing])


def of(words, axis, sentences, columns, dtype):
    shape = (words, sentences) if axis == 0 else (sentences, words)
    return torch.randn(*shape, columns).to(dtype).requires_grad_()


def check(first, second, heads, words, padding):
    queries = first if second is not None else first[..., : first.shape[2] // 3]
    attend = native_attention(queries.detach(), heads, LONG)
    given = (first,) if second is None else (first, second)
    result = attend(*given, words=words, padding=padding)
    of_result = torch.randn_like(result)
    gradients = torch.autograd.grad(result, given, of_result)
    values, of_given = expected(first, second, heads, words, padding, of_result)
    near = HALF_A_PLACE[first.dtype]
    for found, exact, like in zip(
        (result, *gradients), (values, *of_given), (result, *given), strict=True
    ):
        assert (found.shape, found.dtype) == (like.shape, first.dtype)
        largest = float(exact.abs().max())
        torch.testing.assert_close(found.double(), exact, rtol=near, atol=2e-6 * largest)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("words", [1, 3, 4, 5, 15, 16, 17, 33, 50])
@pytest.mark.parametrize("masked", [True, False], ids=["padded", "causal"])
def test_sentences_of_any_length_are_those_of_float64(dtype, axis, words, masked):
    torch.manual_seed(words)
    joined = of(words, axis, 5, 3 * 2 * 16, dtype)
    check(joined, None, 2, axis, ragged(5, words) if masked else None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("heads", "size"), [(1, 16), (3, 32), (2, 48), (4, 64), (1, 80), (1, 128)])
@pytest.mark.parametrize(("words", "of_source"), [(7, 7), (9, 21), (18, 2)])
def test_a_source_of_another_length_and_any_size_of_heads(dtype, heads, size, words, of_source):
    torch.manual_seed(size)
    width = heads * size
    query = of(words, 0, 4, width, dtype)
    check(query, of(of_source, 0, 4, 2 * width, dtype), heads, 0, ragged(4, of_source))


def test_parts_of_something_larger_and_gradients_of_any_layout():
    torch.manual_seed(0)
    whole = torch.randn(6, 5, 7 * 32)
    query, pair = whole[..., 32:64].requires_grad_(), whole[..., 96:160].requires_grad_()
    check(query, pair, 2, 0, ragged(5, 6))
    attend = native_attention(query, 2, LONG)
    result = attend(query, pair, words=0, padding=ragged(5, 6))
    of_result = torch.randn(32, 6, 5)
    (found,) = torch.autograd.grad(result, query, of_result.permute(1, 2, 0), retain_graph=True)
    (same,) = torch.autograd.grad(result, query, of_result.permute(1, 2, 0).contiguous())
    assert torch.equal(found, same)
    (summed,) = torch.autograd.grad(
        attend(query, pair, words=0, padding=ragged(5, 6)).sum(), query
    )  # a gradient that is expanded from one number
    exact = expected(query, pair, 2, 0, ragged(5, 6), torch.ones(6, 5, 32))[1][0]
    torch.testing.assert_close(summed.double(), exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4])
def test_scores_of_any_size(scale):
    torch.manual_seed(1)
    joined = torch.randn(9, 4, 96) * scale
    attend = native_attention(joined[..., :32], 2, LONG)
    result = attend(joined, words=0)
    exact, _ = expected(joined, None, 2, 0, None, torch.zeros(9, 4, 32))
    # a score's rounding moves its weight by as much, relatively
    near = min(1e-6 * max(1.0, float(joined.abs().max()) ** 2), 0.1)
    largest = float(exact.abs().max())
    torch.testing.assert_close(result.double(), exact, rtol=0, atol=near * largest)


def test_what_comes_later_changes_nothing_not_even_a_bit():
    torch.manual_seed(2)
    joined = torch.randn(3, 40, 96)
    attend = native_attention(joined[..., :32], 2, LONG)
    whole = attend(joined, words=1)
    for length in (1, 7, 16, 29):
        assert torch.equal(attend(joined[:, :length], words=1), whole[:, :length])


def test_padding_changes_nothing():
    torch.manual_seed(3)
    joined = torch.randn(2, 20, 96)
    attend = native_attention(joined[..., :32], 2, LONG)
    padding = ragged(2, 20)
    padding[1, :8] = True
    alone = attend(joined[1:, 8:], words=1, padding=padding[1:, 8:])
    torch.testing.assert_close(attend(joined, words=1, padding=padding)[1:, 8:], alone)


def test_threads_change_no_bit():
    torch.manual_seed(4)
    joined = torch.randn(30, 50, 192, requires_grad=True)
    attend = native_attention(joined[..., :64], 4, LONG)
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            result = attend(joined, words=0)
            found.append((result, *torch.autograd.grad(result.square().sum(), joined)))
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(map(torch.equal, found[0], other))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize(("column", "words"), [(5, slice(2, 3)), (69, slice(2, None))])
def test_what_is_not_finite_shows_in_its_own_sentence_alone(bad, column, words):
    """In a query, and in a value, which those after it see."""
    joined = torch.randn(6, 3, 96)
    joined[2, 1, column] = bad
    result = native_attention(joined[..., :32], 2, 64)(joined, words=0)
    assert not result[words, 1, 5].isfinite().any()
    assert result[:, [0, 2]].isfinite().all()
    assert result[:, 1, 16:].isfinite().all()


def test_no_sentence_is_no_result():
    joined = torch.randn(4, 0, 96, requires_grad=True)
    result = native_attention(joined[..., :32], 2, 64)(joined, words=0)
    assert result.shape == (4, 0, 32)
    assert torch.autograd.grad(result.sum(), joined)[0].shape == joined.shape


@pytest.mark.parametrize(
    "x",
    [torch.zeros(1, 48), torch.zeros(1, 50), torch.zeros(1, 64, dtype=torch.float64)],
    ids=["sizes of 24", "sizes that differ", "float64"],
)
def test_what_it_cannot_do_is_left_to_operators(x):
    assert native_attention(x, 2, LONG) is None
    assert native_attention(torch.zeros(1, 64, device="meta"), 2, LONG) is None
    assert native_attention(torch.zeros(1, 64), 2, 1024) is not None
    assert native_attention(torch.zeros(1, 64), 2, 1025) is None


def test_padding_that_was_changed_since_is_noticed():
    joined, padding = torch.randn(6, 3, 96, requires_grad=True), ragged(3, 6)
    result = native_attention(joined[..., :32], 2, LONG)(joined, words=0, padding=padding)
    padding[0, 0] = True
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        result.sum().backward()


QUERY, PAIR, PADDING = torch.zeros(6, 3, 32), torch.zeros(5, 3, 64), torch.zeros(3, 5).bool()


@pytest.mark.parametrize(
    ("given", "padding"),
    [
        ((QUERY,), None),
        ((torch.zeros(6, 3, 48),), None),
        ((torch.zeros(6, 3, 96).bfloat16(),), None),
        ((QUERY, PAIR), None),
        ((QUERY, PAIR.bfloat16()), PADDING),
        ((QUERY, PAIR[:, :2]), PADDING),
        ((QUERY, PAIR[..., :32]), PADDING),
        ((QUERY, PAIR), PADDING[:1]),
        ((QUERY, PAIR), PADDING[:, :4]),
        ((QUERY, PAIR), PADDING.float()),
        ((torch.zeros(6, 3, 96),), PADDING),
    ],
)
def test_what_does_not_fit_is_refused(given, padding):
    attend = native_attention(QUERY, 2, LONG)
    attend(QUERY, PAIR, words=0, padding=PADDING)
    with pytest.raises(ValueError, match=r"padding of|attention of 2 heads of 16"):
        attend(*given, words=0, padding=padding)


def test_without_a_compiler_there_is_none(monkeypatch):
    def none(*_):
        raise CompileError("no C compiler")

    monkeypatch.setattr(attention_module, "_c_function", attention_module._c_function.__wrapped__)
    monkeypatch.setattr(c_vectors, "c_function", none)
    assert native_attention(torch.zeros(1, 32), 2, LONG) is None
