"""The two halves of the cross-entropy, and where their gradients point as seen from the weights."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def negative_loss(logits: Tensor) -> Tensor:
    """l_neg, the mean over images of log sum_j exp x_j, of logits [B, classes].

    With l_pos, the mean of -x_label, it adds up to the cross-entropy. It does not read the labels.
    Bjorck et al. print both with the sign of a likelihood; their text and figures take the loss.
    """
    return torch.logsumexp(logits, 1).mean()


def cosines(
    weights: Sequence[Tensor], gradient: Sequence[Tensor], negative: Sequence[Tensor]
) -> Tensor:
    """cos(w, -grad l_pos) and cos(w, -grad l_neg), [2] float64.

    Args:
        weights: w.
        gradient: of the whole loss; what is not the negative half's is the positive one's.
        negative: of `negative_loss`.
    """
    # one by one for the memory they take, but on a GPU, whose host every call costs
    at_once = 1 if weights[0].is_cpu else len(weights)
    sums = torch.zeros(5, dtype=torch.float64, device=weights[0].device)
    for first in range(0, len(weights), at_once):
        here = slice(first, first + at_once)
        w, g, n = (
            torch.cat([each.detach().reshape(-1) for each in tensors[here]]).double()
            for tensors in (weights, gradient, negative)
        )
        p = g - n
        sums += torch.stack([w.dot(w), p.dot(p), n.dot(n), -w.dot(p), -w.dot(n)])
    norms = (sums[0] * sums[1:3]).sqrt()
    return torch.where(norms > 0, sums[3:] / norms, math.nan)
