"""Adam with every scheme of weight decay, for one network or a population of them.

    g     = grad + gradient*theta
    m     = b1*m + (1-b1)*g             v  = b2*v + (1-b2)*g^2
    m'    = b1*m' + (1-b1)*theta        v' = b2*v' + (1-b2)*theta^2      where `apart` is not 0
    change = alpha*m^/(sqrt(v^)+eps) + alpha*apart*m'^/(sqrt(v'^)+eps)   with x^ = x / (1 - b^t)
    theta = theta - change - (what acts on theta itself, see `Terms`)

theta on the right is always theta_{t-1}. Everything that changes from step to step enters through
the coefficients, a small table made on the host in float64, so nothing is ever compiled again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from shared_optim.base import DecayOptimizer, PerMember
from shared_optim.decay import Shrink
from shared_optim.formula import C_SHRINK, root, shrunk
from shared_optim.group import Group, Schedules, Settings
from shared_optim.rule import UpdateRule
from shared_optim.schemes import DECAY_MOMENTS, MOMENTS, Terms


class AdamCoefficients(NamedTuple):
    """What the formula multiplies with, per member: numbers on the host, [K, 1] in the formula.

    m^/(sqrt(v^)+eps) is computed as step_size*m/(sqrt(v)+eps_t), with eps_t = eps*sqrt(1-b2^t) for
    eps outside the bias correction and eps_t = eps for eps-hat.
    """

    active: Any  # 1 or 0
    direction: Any  # -1 to ascend
    l2: Any  # s_t * l2
    beta1: Any
    rest1: Any  # 1 - beta1
    beta2: Any
    rest2: Any  # 1 - beta2
    step_size: Any  # alpha * sqrt(1 - beta2^t) / (1 - beta1^t)
    eps: Any  # what is added to sqrt(v)
    separated: Any  # s_t * separated * step_size
    decoupled: Any  # see `Shrink` for this and the next four
    kept: Any
    decoupled_aligned: Any
    kept_aligned: Any
    stable: Any
    unbias: Any  # 1 / (1 - beta2^t)


def adam_step(
    tensors: Sequence[Tensor], c: AdamCoefficients, flags: frozenset[str]
) -> list[Tensor]:
    """One step of one parameter: the new theta, m, v and perhaps m', v', [K, n].

    Args:
        tensors: theta, gradient, m, v and perhaps m', v', each [K, n].
        c: each [K, 1].
        flags: `once` adds all terms up before theta is rounded, else theta*(1 - alpha*lambda) is
            rounded first, as in torch.optim.AdamW; `aligned` where a scheme decays some weights
            only.
    """
    theta, gradient, *buffers = (tensor.to(c.active.dtype) for tensor in tensors)
    g = c.direction * gradient + c.l2 * theta
    m = c.beta1 * buffers[0] + c.rest1 * g
    v = c.beta2 * buffers[1] + c.rest2 * (g * g)
    moments = [m, v]
    step = c.step_size * m / (root(v) + c.eps)
    change = step
    if len(buffers) == 4:
        decay_m = c.beta1 * buffers[2] + c.rest1 * theta
        decay_v = c.beta2 * buffers[3] + c.rest2 * (theta * theta)
        moments += [decay_m, decay_v]
        below = root(decay_v) + c.eps
        # without eps a weight that was always 0 would give 0/0: it has no decay
        below = below.masked_fill(below == 0, math.inf)
        change = step + c.separated * decay_m / below
    return [shrunk(theta, change, step, c, flags), *moments]


# operation by operation what `adam_step` does
_C = """
T g = direction * gradient + l2 * theta;
exp_avg = beta1 * exp_avg + rest1 * g;
exp_avg_sq = beta2 * exp_avg_sq + rest2 * (g * g);
T step = step_size * exp_avg / (ROOT(exp_avg_sq) + eps);
T change = step;
#if HAS_DECAY_EXP_AVG
decay_exp_avg = beta1 * decay_exp_avg + rest1 * theta;
decay_exp_avg_sq = beta2 * decay_exp_avg_sq + rest2 * (theta * theta);
const T below = ROOT(decay_exp_avg_sq) + eps;
change = step + separated * decay_exp_avg / (below == 0 ? (T)INFINITY : below);
#endif
"""

ADAM = UpdateRule("adam", (*MOMENTS, *DECAY_MOMENTS), AdamCoefficients, adam_step, _C + C_SHRINK)


class WeightDecayAdam(DecayOptimizer):
    r"""Adam in which weight decay may enter in several ways, one by one or together.

    At step t = 1, 2, ... with grad the gradient and everything on the right at theta_{t-1}:

        g     = grad + s_t*l2*theta
        m     = b1*m + (1-b1)*g             v  = b2*v + (1-b2)*g^2
        m'    = b1*m' + (1-b1)*theta        v' = b2*v' + (1-b2)*theta^2
        u     = m^/(sqrt(v^)+eps) + s_t*separated*m'^/(sqrt(v'^)+eps) + s_t*decoupled*theta
        theta = theta - lr*u                with x^ = x / (1 - b^t)

    * ``l2``: Adam on the loss plus l2/2*|theta|^2. In the buffers the decay can drown the gradient.
    * ``decoupled``: AdamW. Per step theta shrinks by the factor 1 - lr*decoupled.
    * ``separated``: Algorithm 1 of Bjorck et al.: the decay has buffers m', v' of its own. Its
      lambda is in absolute units, unlike ``decoupled``: theta moves by about
      lr*separated*sign(theta), whatever its size.
    * ``proximal``: AdamProx. theta is divided by 1 + lr*proximal after the step.
    * ``stable``: AdamS. As ``decoupled``, divided by the root of the mean of v^ over all elements
      that have a gradient in this step: of one member in a population, of all shards of a DTensor.
      Without any gradient yet there is no decay.
    * ``cautious``: as ``decoupled``, of those elements alone whose step m^/(sqrt(v^)+eps) has the
      sign of theta.
    * ``corrected``: AdamC. As ``decoupled`` with lr*lr/peak_lr in place of lr.

    For example:

        model = torch.nn.Linear(10, 1)
        optimizer = WeightDecayAdam(model.parameters(), lr=1e-3, separated=1e-4)
        for inputs, targets in [(torch.randn(32, 10), torch.randn(32, 1))]:
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(inputs), targets).backward()
            optimizer.step()

    Args:
        params: parameters, (name, parameter) pairs, or groups of them; see also `decay_groups`.
        lr: alpha, one number for all members; a tensor of one element will do.
        betas: decay rates b1, b2 of the moments, of both pairs of buffers.
        eps: added to the denominators of both terms. At 0 a weight that never had a gradient
            becomes NaN, as in torch.optim.Adam; a weight that was always 0 has no decay under
            ``separated``.
        l2, decoupled, separated, ...: the lambdas, >= 0; see `lambdas` for scheme names. A
            sequence of K makes this the optimizer of a population: every parameter is then stacked
            [K, ...] and slice k follows lambda k, exactly as if it were optimized alone.
        schedule: s_t: ``always``, ``early:T``, ``late:T``, ``stuttered:K`` or ``skipped:K``, a
            `Schedule`, a function of t, or a sequence of K of them. m' and v' advance whatever the
            schedule says.
        peak_lr: the largest alpha of the training, which ``corrected`` needs; lr where it is None.
        eps_placement: ``outside`` adds eps to sqrt(v^) as torch and optax do; ``hat`` adds it to
            sqrt(v), before the bias correction, as TF1 and fairseq do: eps/sqrt(1-b2^t) outside.
        rounding: ``once`` rounds theta one time per step; ``torch`` rounds theta*(1-lr*decoupled)
            first, as torch.optim.AdamW does, which in float32 is no decay at all when
            lr*decoupled is below 3e-8.
        maximize: ascend the objective. Decay still shrinks the weights.
        state_dtype: of the buffers; None is float32 for bfloat16 and float16 parameters, whose v'
            would else stand still, and the parameters' own dtype for all others.
        compile: compile the update: in C for a CPU, with Triton for a GPU. Where that fails it runs
            eagerly, to the same bits, after one warning.

    A group's ``weight_decay`` is its largest lambda, for monitors to read. Writing it sets the one
    lambda that is in use, and raises ValueError where it could mean several. Where ``separated``
    turns positive during training, its buffers begin as if theta had stood still until then.

    Differs from torch.optim.Adam and AdamW in the rounding, and from Loshchilov and Hutter, whose
    decay is not multiplied by lr.

    A parameter without a gradient neither decays nor gets a state. Sparse gradients raise
    RuntimeError, complex parameters and values out of range ValueError. DTensors (FSDP2, tensor
    parallel) are updated shard by shard; torch.distributed.checkpoint loads the buffers that the
    optimizer has that loads, so make it with the schemes of the one that was saved.

    Sources: Bjorck, Weinberger and Gomes, "Understanding Decoupled and Early Weight Decay", AAAI
    2021, Algorithm 1; Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019;
    those of `SCHEMES` for the others.
    """

    rule = ADAM

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        l2: PerMember = 0.0,
        decoupled: PerMember = 0.0,
        separated: PerMember = 0.0,
        proximal: PerMember = 0.0,
        stable: PerMember = 0.0,
        cautious: PerMember = 0.0,
        corrected: PerMember = 0.0,
        schedule: Schedules = "always",
        peak_lr: float | None = None,
        eps_placement: Literal["outside", "hat"] = "outside",
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
                "betas": betas,
                "eps": eps,
                "l2": l2,
                "decoupled": decoupled,
                "separated": separated,
                "proximal": proximal,
                "stable": stable,
                "cautious": cautious,
                "corrected": corrected,
                "schedule": schedule,
                "peak_lr": peak_lr,
                "eps_placement": eps_placement,
                "rounding": rounding,
                "maximize": maximize,
                "state_dtype": state_dtype,
            },
            registered,
            compile=compile,
        )

    def buffers(self, settings: Settings, group: Group) -> tuple[str, ...]:
        return (*MOMENTS, *DECAY_MOMENTS) if "apart" in settings.terms else MOMENTS

    def flags(self, settings: Settings, group: Group) -> frozenset[str]:
        return settings.flags

    def new_buffer(
        self, name: str, parameter: Tensor, steps: Tensor, group: Group, dtype: torch.dtype
    ) -> Tensor:
        if name in MOMENTS:
            return torch.zeros_like(parameter, dtype=dtype)
        beta1, beta2 = group["betas"]
        theta = parameter.double()
        first: Tensor = (1 - beta1**steps) * theta
        second: Tensor = (1 - beta2**steps) * theta**2
        return (first if name == DECAY_MOMENTS[0] else second).to(dtype)

    def coefficients(
        self, group: Group, terms: Terms, t: int, lr: float, active: bool
    ) -> AdamCoefficients:
        eps = group["eps"]
        beta1, beta2 = group["betas"]
        shrink = Shrink.of(terms)
        correction = math.sqrt(1 - beta2**t)
        step_size = lr * correction / (1 - beta1**t) * shrink.kept_change
        return AdamCoefficients(
            active=float(active),
            direction=-1.0 if group["maximize"] else 1.0,
            l2=terms.gradient,
            beta1=beta1,
            rest1=1 - beta1,
            beta2=beta2,
            rest2=1 - beta2,
            step_size=step_size,
            eps=eps * correction if group["eps_placement"] == "outside" else eps,
            separated=terms.apart * step_size,
            decoupled=shrink.decoupled,
            kept=shrink.kept,
            decoupled_aligned=shrink.decoupled_aligned,
            kept_aligned=shrink.kept_aligned,
            stable=shrink.stable,
            unbias=1 / (1 - beta2**t),
        )
