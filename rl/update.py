"""One DQN update as a pure function: a batch and two networks in, gradients out.

    y    = sum_{j<n} gamma^j r_{i+j} + gamma^n max_a Q_target(s_{i+n}, a)
    loss = mean over the batch of  huber(y - Q(s_i, a_i))  or  (y - Q(s_i, a_i))^2

where an episode's end cuts the sum short and takes the last term away.

Mnih et al. (2015). Members' losses are summed before differentiation, so each member's gradient
is that of its own loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from rl.network import Weights, q_values
from rl.replay import Batch

Loss = Literal["huber", "squared"]


@dataclass(frozen=True)
class Update:
    """What one update computed; rows of members that were left out hold zeros.

    Attributes:
        gradients: name to [K, ...] float32.
        loss: [K] float32.
        mean_q: [K] float32, mean over the batch of max_a Q(s, a).
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


def update(
    online: Weights, target: Weights, batch: Batch, members: Sequence[int], kind: Loss
) -> Update:
    """Gradients of the given members' losses, for a batch of [K, B] transitions.

    Blocks without any of `members` are skipped; in a block that has some, all are computed.
    """
    size = online.block_size
    wanted = {k // size for k in members}
    parts: list[dict[str, Tensor]] = []
    losses, values = [], []
    for b, (block, frozen) in enumerate(zip(online.blocks, target.blocks, strict=True)):
        if b not in wanted:
            parts.append({name: torch.zeros_like(weight) for name, weight in block.items()})
            losses.append(torch.zeros(size, device=batch.rewards.device))
            values.append(torch.zeros(size, device=batch.rewards.device))
            continue
        mine = slice(b * size, (b + 1) * size)
        with torch.no_grad():
            next_q = q_values(frozen, batch.next_state[mine])
        q = q_values(block, batch.state[mine])
        loss = td_loss(
            q, next_q, batch.actions[mine], batch.rewards[mine], batch.discounts[mine], kind
        )
        gradients = torch.autograd.grad(loss.sum(), list(block.values()))
        parts.append(dict(zip(block, gradients, strict=True)))
        losses.append(loss.detach())
        values.append(q.detach().amax(2).float().mean(1))
    return Update(
        {name: _gradient(name, [part[name] for part in parts]) for name in parts[0]},
        torch.cat(losses),
        torch.cat(values),
    )


def _gradient(name: str, blocks: list[Tensor]) -> Tensor:
    """The gradient with respect to the float32 parameter, [K, ...], from those of its blocks."""
    joined = blocks[0] if len(blocks) == 1 else torch.cat(blocks)
    gradient = joined.float()
    # the working kernel is the parameter / 255, and so is the chain rule's factor
    return gradient / 255 if name == "conv1.weight" else gradient
