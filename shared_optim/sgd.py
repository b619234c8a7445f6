"""SGD with momentum and every scheme of weight decay that differs from another one in it.

g     = grad + gradient*theta
b     = mu*b + g
change = alpha*b    or alpha*(g + mu*b), Nesterov
theta = theta - change - (what acts on theta itself, see `Terms`)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from shared_optim.base import DecayOptimizer, PerMember
from shared_optim.decay import Shrink
from shared_optim.formula import C_SHRINK, shrunk
from shared_optim.group import Group, Schedules, Settings
from shared_optim.rule import UpdateRule
from shared_optim.schemes import Terms

MOMENTUM_BUFFER = "momentum_buffer"


class SGDCoefficients(NamedTuple):
    """What the formula multiplies with, per member: numbers on the host, [K, 1] in the formula."""

    active: Any  # 1 or 0
    direction: Any  # -1 to ascend
    l2: Any  # s_t * l2
    momentum: Any
    step_size: Any  # alpha
    decoupled: Any  # see `Shrink` for this and the next three
    kept: Any
    decoupled_aligned: Any
    kept_aligned: Any


def sgd_step(tensors: Sequence[Tensor], c: SGDCoefficients, flags: frozenset[str]) -> list[Tensor]:
    """One step of one parameter: the new theta and, with momentum, its buffer, [K, n].

    Args:
        tensors: theta, gradient and, with momentum, the buffer, each [K, n].
        c: each [K, 1].
        flags: `once` and `aligned` as for Adam; `nesterov`.
    """
    theta, gradient, *buffers = (tensor.to(c.active.dtype) for tensor in tensors)
    g = c.direction * gradient + c.l2 * theta
    buffers = [c.momentum * buffer + g for buffer in buffers]
    u = g
    for buffer in buffers:
        u = g + c.momentum * buffer if "nesterov" in flags else buffer
    step = c.step_size * u
    return [shrunk(theta, step, step, c, flags), *buffers]


# operation by operation what `sgd_step` does
_C = """
T g = direction * gradient + l2 * theta;
T u = g;
#if HAS_MOMENTUM_BUFFER
momentum_buffer = momentum * momentum_buffer + g;
#if NESTEROV
u = g + momentum * momentum_buffer;
#else
u = momentum_buffer;
#endif
#endif
const T step = step_size * u;
const T change = step;
"""

SGD = UpdateRule("sgd", (MOMENTUM_BUFFER,), SGDCoefficients, sgd_step, _C + C_SHRINK)


class WeightDecaySGD(DecayOptimizer):
    r"""SGD with momentum in which weight decay may enter in several ways.

    At step t = 1, 2, ... with everything on the right at theta_{t-1}:

        g     = grad + s_t*l2*theta
        b     = momentum*b + g
        u     = b + s_t*decoupled*theta       or g + momentum*b + s_t*decoupled*theta, Nesterov
        theta = theta - lr*u

    * ``l2``: torch.optim.SGD's weight_decay.
    * ``decoupled``: SGDW. Per step theta shrinks by the factor 1 - lr*decoupled.
    * ``proximal``, ``cautious``, ``corrected``: as for `WeightDecayAdam`, with SGD's step.

    There is no ``separated``. SGD's buffer is linear in what it is fed: b is the sum of a buffer
    fed with the gradients and one fed with l2*theta. So a second buffer for the decay gives the
    weights of ``l2``, exactly but for rounding (1e-12 in float64 after 200 steps), while lambda is
    constant. It is division by the root of a second moment that makes the two differ in Adam.
    ``stable`` is a correction of Adam's second moment too.

    Args:
        params: parameters, (name, parameter) pairs, or groups of them; see also `decay_groups`.
        lr: alpha, one number for all members; a tensor of one element will do.
        momentum: mu; 0 keeps no buffer.
        nesterov: look ahead by one step of momentum; needs momentum.
        l2, decoupled, ...: the lambdas, see `WeightDecayAdam`; K of them make a population.
        schedule, peak_lr, rounding, maximize, state_dtype, compile: see `WeightDecayAdam`.

    Equal to torch.optim.SGD(weight_decay=l2, dampening=0) in exact arithmetic; ``rounding`` differs
    as it does for Adam. Gradients, parameters and errors as for `WeightDecayAdam`.

    Sources: Sutskever et al., "On the importance of initialization and momentum in deep learning",
    ICML 2013; Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
    """

    rule = SGD

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0.0,
        *,
        nesterov: bool = False,
        l2: PerMember = 0.0,
        decoupled: PerMember = 0.0,
        proximal: PerMember = 0.0,
        cautious: PerMember = 0.0,
        corrected: PerMember = 0.0,
        schedule: Schedules = "always",
        peak_lr: float | None = None,
        rounding: Literal["once", "torch"] = "once",
        maximize: bool = False,
        state_dtype: torch.dtype | None = None,
        compile: bool = True,
        **registered: PerMember,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "nesterov": nesterov,
                "l2": l2,
                "decoupled": decoupled,
                "proximal": proximal,
                "cautious": cautious,
                "corrected": corrected,
                "schedule": schedule,
                "peak_lr": peak_lr,
                "rounding": rounding,
                "maximize": maximize,
                "state_dtype": state_dtype,
            },
            registered,
            compile=compile,
        )

    def buffers(self, settings: Settings, group: Group) -> tuple[str, ...]:
        return (MOMENTUM_BUFFER,) if group["momentum"] else ()

    def flags(self, settings: Settings, group: Group) -> frozenset[str]:
        return settings.flags | ({"nesterov"} if group["nesterov"] else set())

    def new_buffer(
        self, name: str, parameter: Tensor, steps: Tensor, group: Group, dtype: torch.dtype
    ) -> Tensor:
        return torch.zeros_like(parameter, dtype=dtype)

    def coefficients(
        self, group: Group, terms: Terms, t: int, lr: float, active: bool
    ) -> SGDCoefficients:
        shrink = Shrink.of(terms)
        return SGDCoefficients(
            active=float(active),
            direction=-1.0 if group["maximize"] else 1.0,
            l2=terms.gradient,
            momentum=group["momentum"],
            step_size=lr * shrink.kept_change,
            decoupled=shrink.decoupled,
            kept=shrink.kept,
            decoupled_aligned=shrink.decoupled_aligned,
            kept_aligned=shrink.kept_aligned,
        )
