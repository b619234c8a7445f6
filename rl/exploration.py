"""Epsilon-greedy choice of actions."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rl.network import Weights, q_values


def annealed_epsilon(
    steps: np.ndarray, *, warm_up: int, epsilon_steps: int, epsilon_final: float
) -> np.ndarray:
    """Exploration after `steps` training steps, [K]: 1 during the warm-up, then linear, then flat.

    epsilon = final + (1 - final) * clip((warm_up + epsilon_steps - steps) / epsilon_steps, 0, 1),
    as in Dopamine.
    """
    left = np.clip((warm_up + epsilon_steps - steps) / epsilon_steps, 0.0, 1.0)
    result: np.ndarray = epsilon_final + (1.0 - epsilon_final) * left
    return result


@torch.inference_mode()
def greedy_actions(online: Weights, observations: Tensor, members: Sequence[int]) -> np.ndarray:
    """argmax_a Q(s, a) for the given members, [K] int64; others hold 0.

    Args:
        online: the members' weights.
        observations: [K, 4, 84, 84] uint8 on the weights' device.
        members: whose actions are wanted; blocks without any are skipped.
    """
    size = online.block_size
    actions = np.zeros(len(observations), dtype=np.int64)
    for b in sorted({k // size for k in members}):
        mine = slice(b * size, (b + 1) * size)
        q = q_values(online.blocks[b], observations[mine].unsqueeze(1))  # [G, 1, actions]
        actions[mine] = q.argmax(2).squeeze(1).cpu().numpy()
    return actions


def epsilon_greedy(
    uniforms: np.ndarray,
    epsilon: np.ndarray,
    active: np.ndarray,
    actions: int,
    online: Weights,
    observations: np.ndarray,
) -> np.ndarray:
    """One action per member, [K] int64; members that are not active get 0, the no-op.

    Args:
        uniforms: [K, 2] in [0, 1): the first decides whether to explore, the second where to.
        epsilon: probability of a uniformly random action, [K].
        active: [K] bool.
        actions: size of the action set.
        online: the members' weights.
        observations: [K, 4, 84, 84] uint8.

    The network is asked only for members that do not explore.
    """
    explore = uniforms[:, 0] < epsilon
    chosen = (uniforms[:, 1] * actions).astype(np.int64)
    greedy = active & ~explore
    if greedy.any():
        device = next(iter(online.blocks[0].values())).device
        states = torch.from_numpy(observations).to(device)
        best = greedy_actions(online, states, np.flatnonzero(greedy).tolist())
        chosen = np.where(explore, chosen, best)
    return np.where(active, chosen, 0)
