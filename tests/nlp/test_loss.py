import pytest
import torch

from nlp.loss import smoothed_cross_entropy


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
