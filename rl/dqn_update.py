"""One DQN update as a pure function: a batch and two networks in, gradients out.

    y    = sum_{j<n} gamma^j r_{i+j} + gamma^n max_a Q_target(s_{i+n}, a)
    loss = mean over the batch of  huber(y - Q(s_i, a_i))  or  (y - Q(s_i, a_i))^2

where an episode's end cuts the sum short and takes the last term away.

Mnih et al. (2015). Members' losses are summed before differentiation, so each member's gradient
is that of its own loss.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from rl.network import q_values
from rl.replay import Batch

Loss = Literal["huber", "squared"]


@dataclass(frozen=True)
class Update:
    """What one update computed.

    Attributes:
        gradients: name to [G, ...] float32.
        loss: [G] float32.
        mean_q: [G] float32, mean over the batch of max_a Q(s, a).
    """

    gradients: dict[str, Tensor]
    loss: Tensor
    mean_q: Tensor


def td_loss(
    q: Tensor, next_q: Tensor, actions: Tensor, rewards: Tensor, discounts: Tensor, kind: Loss
) -> Tensor:
    """The loss of each member, [G].

    Args:
        q: Q(s, .) of the online network, [G, B, actions].
        next_q: Q(s', .) of the target network, [G, B, actions].
        actions: [G, B] int64.
        rewards: n-step discounted rewards, [G, B] float32.
        discounts: gamma^n, or 0 where the episode ended, [G, B] float32.
        kind: `huber` (delta 1) or `squared`.
    """
    chosen = q.gather(2, actions.unsqueeze(2)).squeeze(2).float()
    target = rewards + discounts * next_q.amax(2).float()
    error = F.huber_loss if kind == "huber" else F.mse_loss
    return error(chosen, target, reduction="none").mean(1)


def dqn_update(
    online: Mapping[str, Tensor], target: Mapping[str, Tensor], batch: Batch, kind: Loss
) -> Update:
    """Gradients of the losses of G members, for a batch of [G, B] transitions.

    Args:
        online, target: the `values` of the members' `Weights`.
        batch: of the same members.
        kind: of the loss, see `td_loss`.
    """
    with torch.no_grad():
        next_q = q_values(target, batch.next_state)
    q = q_values(online, batch.state)
    loss = td_loss(q, next_q, batch.actions, batch.rewards, batch.discounts, kind)
    gradients = torch.autograd.grad(loss.sum(), list(online.values()))
    return Update(
        {name: _gradient(name, g) for name, g in zip(online, gradients, strict=True)},
        loss.detach(),
        q.detach().amax(2).float().mean(1),
    )


def _gradient(name: str, of_working: Tensor) -> Tensor:
    """The gradient with respect to the float32 parameter from that of its working copy."""
    gradient = of_working.float()
    # the working kernel is the parameter / 255, and so is the chain rule's factor
    return gradient / 255 if name == "conv1.weight" else gradient
