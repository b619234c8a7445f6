"""Label-smoothed cross entropy, equal to fairseq's, over the tokens that count."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
        logits: [T, V], of any floating dtype; the softmax is float32.
        target: [T] int64, no padding among them.
        smoothing: epsilon, from 0 to below 1.
    """
    log_probabilities = F.log_softmax(logits, dim=-1, dtype=torch.float32)
    words = logits.shape[-1]
    other = smoothing / (words - 1)
    nll = F.nll_loss(log_probabilities, target, reduction="sum")
    loss = (1 - smoothing - other) * nll - other * log_probabilities.sum()
    return TokenLoss(loss, nll.detach(), len(target))


def batch_loss(
    model: nn.Module, batch: dict[str, Any], smoothing: float, padding: int
) -> TokenLoss:
    """The loss of a fairseq batch. Logits of padding are never computed.

    Args:
        model: fairseq's TransformerModel.
        batch: with `net_input` and `target` [B, T] int64.
        padding: index of the padding word.
    """
    features, _ = model(**batch["net_input"], features_only=True)  # [B, T, width]
    counts = batch["target"] != padding
    logits = model.output_layer(features[counts])  # type: ignore[operator]
    return smoothed_cross_entropy(logits, batch["target"][counts], smoothing)
