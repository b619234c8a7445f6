"""What the first moment remembers of the decay, when lambda or its schedule are changed by hand.

m weighs the gradients of its steps i = 1, ..., t by b^(t-i), and under L2 the decays that were
added to them as well. While nothing is changed, lambda and schedule tell what those were; from the
first change on, a memory of four sums goes along with m: of the weights, and, with these weights,
of s_i, of s_i*lambda_i and of that part of it which is inside m.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared_optim.decay import MemberDecay

REFERENCE_LAMBDA = 1e-3
"""At which lambda a member without decay reports what would drown: the largest of Table 1."""

Memory = list[list[float]]
"""The four sums of each member, [K, 4]."""


def recall(decays: Sequence[MemberDecay], beta: float, steps: Sequence[int]) -> Memory:
    """The memory after t steps [K], had lambda and schedule always been these."""
    return [_recalled(decay, beta, t) for decay, t in zip(decays, steps, strict=True)]


def with_step(
    memory: Memory,
    decays: Sequence[MemberDecay],
    beta: float,
    acting: Sequence[bool],
    steps: Sequence[int],
) -> Memory:
    """The memory after one more step of those members that act, which is their t-th [K]."""
    return [
        [beta * old + (1 - beta) * new for old, new in zip(each, _now(decay, t), strict=True)]
        if acts
        else each
        for each, decay, t, acts in zip(memory, decays, steps, acting, strict=True)
    ]


def remembered(memory: Memory, decays: Sequence[MemberDecay]) -> list[tuple[float, float]]:
    """(inside, decay) of each member: means of s_i*lambda_i over the steps, as m weighs them.

    `decay` is of the lambda that stands for all, `inside` of those alone whose decay is inside m.
    Without any lambda, `decay` is that of REFERENCE_LAMBDA.
    """
    found = []
    for (weight, s, decay, inside), own in zip(memory, decays, strict=True):
        if not (decay or own.largest):
            decay = REFERENCE_LAMBDA * s
        weight = weight or 1.0  # of a member that never took a step
        found.append((inside / weight, decay / weight))
    return found


def _now(decay: MemberDecay, t: int) -> tuple[float, float, float, float]:
    """What a step adds to a memory: its weight, s_t, s_t*lambda, and what of that is inside m."""
    multiplier = float(decay.multiplier(max(t, 1)))
    return 1.0, multiplier, multiplier * decay.largest, multiplier * decay.inside


def _recalled(decay: MemberDecay, beta: float, t: int) -> list[float]:
    """A memory after t steps, had lambda and schedule been what they are now."""
    memory = [0.0] * 4
    weight = 1 - beta
    for i in range(t, 0, -1):
        memory = [old + weight * new for old, new in zip(memory, _now(decay, i), strict=True)]
        weight *= beta
        if weight < 1e-16:
            break
    return memory
