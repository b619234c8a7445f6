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


def test_loss_and_gradient_are_those_of_fairseq():
    pytest.importorskip("fairseq", reason="fairseq is not installed")
    from nlp.network import quiet

    with quiet():
        from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss
    torch.manual_seed(1)
    logits = torch.randn(9, 31, dtype=torch.float64).float().requires_grad_()
    target = torch.randint(31, (9,))
    theirs, _ = label_smoothed_nll_loss(logits.log_softmax(-1), target[:, None], 0.1)
    (gradient,) = torch.autograd.grad(theirs, logits)
    ours = smoothed_cross_entropy(logits, target, 0.1).loss
    (our_gradient,) = torch.autograd.grad(ours, logits)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-6)
    torch.testing.assert_close(our_gradient, gradient, rtol=1e-5, atol=1e-6)
