import pytest
import torch

from nlp import loss as loss_module
from nlp.loss import smoothed_cross_entropy
from nlp.native_loss import native_loss


def test_the_loss_is_the_cross_entropy_with_the_smoothed_distribution_in_float64():
    torch.manual_seed(0)
    logits, target, smoothing = torch.randn(7, 11), torch.randint(11, (7,)), 0.1
    expected = expected_nll = 0.0
    for row, word in zip(logits.double(), target.tolist(), strict=True):
        log_p = row - row.exp().sum().log()
        q = [smoothing / 10] * 11
        q[word] = 1 - smoothing
        expected -= sum(q[w] * float(log_p[w]) for w in range(11))
        expected_nll -= float(log_p[word])
    sums = smoothed_cross_entropy(logits, target, smoothing)
    assert float(sums.loss) == pytest.approx(expected, rel=1e-6)
    assert float(sums.nll) == pytest.approx(expected_nll, rel=1e-6)
    assert sums.tokens == 7
    assert not sums.nll.requires_grad


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("factor", [1.0, 0.25])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 8e-3)])
def test_loss_and_gradient_are_those_of_fairseq(smoothing, factor, dtype, tolerance):
    pytest.importorskip("fairseq", reason="fairseq is not installed")
    from nlp.fairseq_model import quiet

    with quiet():
        from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss
    torch.manual_seed(1)
    logits = torch.randn(9, 31).to(dtype).requires_grad_()
    target = torch.randint(31, (9,))
    log_p = logits.float().log_softmax(-1)
    theirs, _ = label_smoothed_nll_loss(log_p, target[:, None], smoothing)
    (gradient,) = torch.autograd.grad(theirs * factor, logits)
    ours = smoothed_cross_entropy(logits, target, smoothing).loss
    (our_gradient,) = torch.autograd.grad(ours * factor, logits)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-6)
    assert our_gradient.dtype == dtype
    torch.testing.assert_close(our_gradient, gradient, rtol=tolerance, atol=tolerance / 10)


def test_without_a_gradient_the_loss_is_the_same():
    torch.manual_seed(2)
    logits, target = torch.randn(5, 7, requires_grad=True), torch.randint(7, (5,))
    with_gradient = smoothed_cross_entropy(logits, target, 0.1).loss
    with torch.inference_mode():
        without = smoothed_cross_entropy(logits, target, 0.1).loss
    assert float(without) == float(with_gradient)


def in_float64(logits, target, smoothing):
    """Loss, nll and the gradient of the loss."""
    words = logits.shape[1]
    z = logits.double()
    log_p = z - z.logsumexp(1, keepdim=True)
    q = torch.full_like(z, smoothing / (words - 1))
    q[torch.arange(len(z)), target] = 1 - smoothing
    nll = -log_p[torch.arange(len(z)), target].sum()
    return -(q * log_p).sum(), nll, log_p.exp() - q


@pytest.fixture(params=["in C", "by operators"])
def way(request, monkeypatch):
    if request.param == "by operators":
        monkeypatch.setattr(loss_module, "native_loss", lambda logits: None)
    else:
        request.getfixturevalue("compiler")
        assert native_loss(torch.zeros(1, 2)) is not None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("words", [2, 15, 16, 17, 257, 1000])
@pytest.mark.parametrize("spread", [0.1, 5.0, 40.0])
def test_any_number_of_words_is_that_of_float64(way, dtype, words, spread):
    torch.manual_seed(words)
    logits = torch.randn(6, words).mul_(spread).to(dtype).requires_grad_()
    target = torch.randint(words, (6,))
    sums = smoothed_cross_entropy(logits, target, 0.1)
    (gradient,) = torch.autograd.grad(sums.loss, logits)
    loss, nll, expected = in_float64(logits.detach(), target, 0.1)
    assert float(sums.loss) == pytest.approx(float(loss), rel=2e-6)
    assert float(sums.nll) == pytest.approx(float(nll), rel=2e-6, abs=1e-6)
    half_a_place = {torch.float32: 2e-6, torch.bfloat16: 2**-8}[dtype]
    torch.testing.assert_close(gradient.double(), expected, rtol=half_a_place, atol=2e-7)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [0, 16, 20])
def test_a_logit_that_is_not_finite_shows(way, bad, place):
    logits = torch.zeros(3, 21)
    logits[1, place] = bad
    logits.requires_grad_()
    sums = smoothed_cross_entropy(logits, torch.tensor([1, 2, 3]), 0.1)
    (gradient,) = torch.autograd.grad(sums.loss, logits)
    assert not sums.loss.isfinite()
    assert not gradient[1].isfinite().all()
    assert gradient[[0, 2]].isfinite().all()


def test_a_word_that_cannot_be_has_no_probability(way):
    logits = torch.tensor([[0.0, 1.0, -torch.inf]], requires_grad=True)
    sums = smoothed_cross_entropy(logits, torch.tensor([0]), 0.0)
    (gradient,) = torch.autograd.grad(sums.loss, logits)
    assert float(gradient[0, 2]) == 0


@pytest.mark.parametrize(
    "target",
    [
        torch.tensor([1, 5]),
        torch.tensor([1, -1]),
        torch.tensor([1, 2], dtype=torch.int32),
        torch.tensor([1]),
        torch.tensor([1, 2, 3]),
        torch.tensor([1, 2], device="meta"),
    ],
    ids=["no word", "negative", "int32", "too few", "too many", "elsewhere"],
)
def test_targets_that_are_not_those_of_the_rows_are_refused(way, target):
    with pytest.raises((IndexError, RuntimeError, ValueError)):
        smoothed_cross_entropy(torch.zeros(2, 5), target, 0.1)


def test_the_default_device_is_not_asked(way):
    logits, target = torch.randn(4, 9), torch.tensor([0, 3, 8, 8])
    expected, _, _ = in_float64(logits, target, 0.1)
    with torch.device("meta"):
        found = smoothed_cross_entropy(logits, target, 0.1).loss
    assert float(found) == pytest.approx(float(expected), rel=1e-6)
