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
        gradients: name to [G, ...], of the dtype that `gradient_dtype` names.
        loss: [G] float32.
        mean_q: [G] float32, mean over the batch of max_a Q(s, a).
    """

    gradients: dict[str, Tensor]
    loss: Tensor
    mean_q: Tensor

    @classmethod
    def room(cls, online: Mapping[str, Tensor]) -> "Update":
        """Zeros for the update of whom the `values` of their `Weights` are given."""
        gradients = {
            name: torch.zeros(value.shape, dtype=gradient_dtype(name, value), device=value.device)
            for name, value in online.items()
        }
        members, device = next((len(value), value.device) for value in online.values())
        return cls(gradients, *torch.zeros(2, members, dtype=torch.float32, device=device))

    def of(self, members: slice) -> "Update":
        """A view of some members' part."""
        own = {name: gradient[members] for name, gradient in self.gradients.items()}
        return Update(own, self.loss[members], self.mean_q[members])


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
    online: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    batch: Batch,
    kind: Loss,
    into: Update | None = None,
) -> Update:
    """Gradients of the losses of G members, for a batch of [G, B] transitions.

    Args:
        online, target: the `values` of the members' `Weights`.
        batch: of the same members.
        kind: of the loss, see `td_loss`.
        into: what to write the result into, and return.
    """
    with torch.no_grad():
        next_q = q_values(target, batch.next_state)
    q = q_values(online, batch.state)
    loss = td_loss(q, next_q, batch.actions, batch.rewards, batch.discounts, kind)
    of_working = dict(
        zip(online, torch.autograd.grad(loss.sum(), list(online.values())), strict=True)
    )
    mean_q = q.detach().amax(2).float().mean(1)
    if into is None:
        gradients = {
            name: gradient.to(gradient_dtype(name, gradient))
            for name, gradient in of_working.items()
        }
        into = Update(gradients, loss.detach(), mean_q)
    else:
        for name, gradient in of_working.items():
            into.gradients[name].copy_(gradient)
        into.loss.copy_(loss.detach())
        into.mean_q.copy_(mean_q)
    if "conv1.weight" in into.gradients:
        # the working kernel is the parameter / 255, and so is the chain rule's factor
        into.gradients["conv1.weight"].div_(255)
    return into


def gradient_dtype(name: str, working: Tensor) -> torch.dtype:
    """That of the gradient with respect to a float32 parameter with this working copy: its own on a
    CPU, where the optimizer's step reads it as it is; of the first kernel, which is scaled before,
    and on a GPU float32."""
    scaled = name == "conv1.weight"
    return torch.float32 if scaled or working.device.type != "cpu" else working.dtype
