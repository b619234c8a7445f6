"""What an optimizer's first moment is, and what decay is inside it: ours, torch's Adam, AdamW, SGD.

Whatever the optimizer, m remembers the gradients of its steps i = 1, ..., t with weights that fall
by the factor b at each step, and under L2 with them lambda_i*w_i. Weights move slowly, so what m
holds of the decay is nearly `inside*total*w`, with `total` the sum of the weights and `inside` the
mean of lambda_i under them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.optim import SGD, Adam, Optimizer

from shared_optim.base import DecayOptimizer
from shared_optim.decay_memory import REFERENCE_LAMBDA
from shared_optim.group import Group
from shared_optim.layout import to_read
from shared_optim.values import spread


@dataclass(frozen=True)
class Memory:
    """What the first moment of a parameter remembers of the decay, per member [K].

    Attributes:
        total: the sum of the weights with which m remembers.
        decay: lambda, the mean over what m remembers; REFERENCE_LAMBDA without decay.
        inside: what of that is inside m: lambda under L2, else 0.
    """

    total: Sequence[float]
    decay: Sequence[float]
    inside: Sequence[float]

    @property
    def limits(self) -> list[tuple[float, float]]:
        """(inside, decay) of each member, times total: in the unit of m/w."""
        rows = zip(self.total, self.inside, self.decay, strict=True)
        return [(inside * total, decay * total) for total, inside, decay in rows]


def check_known(optimizer: Optimizer) -> None:
    """Raise TypeError for an optimizer whose first moment is not known."""
    if not isinstance(optimizer, DecayOptimizer | Adam | SGD):
        raise TypeError(
            "measures are known for WeightDecayAdam, WeightDecaySGD and torch's Adam, AdamW and "
            f"SGD, not for {type(optimizer).__name__}"
        )


def memory(optimizer: Optimizer, group: dict[str, Any], state: dict[str, Any]) -> Memory:
    """What a parameter's first moment remembers after a step.

    Args:
        optimizer: that took the step.
        group: of the parameter.
        state: of the parameter.
    """
    if isinstance(group, Group):
        beta, steps = group.memory, [max(t, 1) for t in spread(state["step"], 1)]
        remembered = group.remembered(steps)
        # Adam's moment is a mean, SGD's buffer a sum
        scale = 1.0 if "exp_avg" in state else 1 / (1 - beta)
        return Memory(
            [(1 - beta**t) * scale for t in steps],
            [decay for _, decay in remembered],
            [inside for inside, _ in remembered],
        )
    own = float(group["weight_decay"])
    if isinstance(optimizer, SGD):
        # it counts no steps, so its buffer is taken to remember all it ever will
        mu = float(group["momentum"])
        total, inside = (1 - float(group["dampening"])) / (1 - mu) if mu else 1.0, own
    else:
        # AdamW is an Adam whose decay is decoupled
        total = 1 - float(group["betas"][0]) ** float(state["step"])
        inside = 0.0 if group["decoupled_weight_decay"] else own
    return Memory([total], [own or REFERENCE_LAMBDA], [inside])


def moment(
    group: dict[str, Any], gradient: Tensor, before: Tensor, state: dict[str, Any]
) -> Tensor:
    """The first moment after a step, on this process.

    Args:
        group: of the parameter.
        gradient: of the step, on this process.
        before: the parameter's elements before the step, on this process.
        state: of the parameter.
    """
    found = state.get("exp_avg", state.get("momentum_buffer"))
    if found is not None:
        return to_read(found)
    # SGD without momentum: the gradient, with the decay that is added to it
    sign = -1.0 if group["maximize"] else 1.0
    if isinstance(group, Group):
        inside = [inside for inside, _ in group.remembered(spread(state["step"], 1))]
    else:
        inside = [float(group["weight_decay"])]
    rows = before.reshape(len(inside), -1) * before.new_tensor(inside).unsqueeze(1)
    return sign * gradient + rows.view(gradient.shape)
