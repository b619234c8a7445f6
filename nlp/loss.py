"""Label-smoothed cross entropy, equal to fairseq's, over the tokens that count."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from nlp.native_loss import native_loss
from nlp.transformer import Transformer
from workload.differentiated_once import differentiated_once

BITS = 1 / 0.6931471805599453
"""Bits per nat: fairseq logs losses in base 2."""


class TokenLoss(NamedTuple):
    """Sums over the target tokens of a batch, in nats: `loss` with smoothing, `nll` without.

    `loss` is differentiable; `nll` is detached. `tokens` is how many there were.
    """

    loss: Tensor
    nll: Tensor
    tokens: int


def smoothed_cross_entropy(logits: Tensor, target: Tensor, smoothing: float) -> TokenLoss:
    r"""The sum over tokens of -sum_w q(w) log p(w).

    With V words, q is 1 - smoothing for the reference word and smoothing/(V-1) for every other, as
    in fairseq's label_smoothed_cross_entropy.

    Args:
        logits: [N, V], of any floating dtype, V at least 2; the softmax is float32.
        target: [N] int64, no padding among them.
        smoothing: epsilon, from 0 to below 1.

    Raises IndexError for a target that is no word.
    """
    sums = _SmoothedCrossEntropy.apply(logits, target, smoothing, None)  # type: ignore[no-untyped-call]
    loss, nll = sums
    return TokenLoss(loss, nll, len(target))


def padded_cross_entropy(
    logits: Tensor, target: Tensor, smoothing: float, padding: int
) -> tuple[Tensor, Tensor]:
    """`loss` and `nll` of `smoothed_cross_entropy`, where rows whose target is `padding` do not
    count. Nothing in it depends on how many do."""
    sums: tuple[Tensor, Tensor] = _SmoothedCrossEntropy.apply(logits, target, smoothing, padding)  # type: ignore[no-untyped-call]
    return sums


class _SmoothedCrossEntropy(torch.autograd.Function):
    """Loss and nll; the gradient of the loss with respect to a logit is p(w) - q(w)."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, smoothing: float, padding: int | None
    ) -> tuple[Tensor, Tensor]:
        other = smoothing / (logits.shape[-1] - 1)
        more = 1 - smoothing - other  # q of the reference word is this and `other`
        if padding is None and (native := native_loss(logits)):
            difference = torch.empty_like(logits) if ctx.needs_input_grad[0] else None
            nll, of_all = native(target, other, more, difference)
        else:
            nll, of_all, difference = by_operators(
                logits, target, other, more, padding, gradient=ctx.needs_input_grad[0]
            )
        ctx.mark_non_differentiable(nll)
        ctx.save_for_backward(difference)
        return more * nll - other * of_all, nll

    @staticmethod
    @differentiated_once
    def backward(ctx: Any, of_loss: Tensor, _: Tensor) -> tuple[Tensor, None, None, None]:
        (difference,) = ctx.saved_tensors
        # times 1 when training, which a GPU is not asked: it would have to be waited for
        if of_loss.device.type != "cpu" or of_loss != 1:
            difference = difference * of_loss.to(difference.dtype)
        return difference, None, None, None


def by_operators(
    logits: Tensor,
    target: Tensor,
    other: float,
    more: float,
    padding: int | None,
    *,
    gradient: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """nll, the sum of all log p, and the gradient of the loss, of rows that are no padding."""
    log_p = F.log_softmax(logits, dim=-1, dtype=torch.float32)
    if padding is None:
        nll, of_all = F.nll_loss(log_p, target, reduction="sum"), log_p.sum()
    else:
        counts = target.ne(padding)
        nll = F.nll_loss(log_p, target, ignore_index=padding, reduction="sum")
        of_all = (log_p.sum(1) * counts).sum()
    if not gradient:
        return nll, of_all, None
    difference = log_p.exp_().sub_(other)
    references = target.unsqueeze(1)
    difference.scatter_add_(1, references, difference.new_full(references.shape, -more))
    if padding is None:
        return nll, of_all, difference.to(logits.dtype)
    product = torch.empty_like(logits)  # rounded in the same pass
    return nll, of_all, torch.mul(difference, counts.unsqueeze(1), out=product)


def batch_loss(
    transformer: Transformer, batch: dict[str, Any], smoothing: float, padding: int
) -> TokenLoss:
    """The loss of a fairseq batch. Logits of padding are never computed.

    Args:
        transformer: the model.
        batch: with `net_input`, `target` [B, T] int64, and `ntokens`, how many of them are words.
        smoothing: epsilon of the loss.
        padding: index of the padding word.
    """
    inputs = batch["net_input"]
    features = transformer.features(inputs["src_tokens"], inputs["prev_output_tokens"])
    target = batch["target"].t().flatten()  # [T*B], as the features lie
    # nonzero alone would have to ask a GPU how many there are
    counts = target.ne(padding).nonzero_static(size=batch["ntokens"]).squeeze(1)
    logits = transformer.logits(features.index_select(0, counts))
    return smoothed_cross_entropy(logits, target[counts], smoothing)
