"""Epsilon-greedy choice of actions."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from rl.network import q_values


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


@torch.no_grad()
def greedy_actions(online: Mapping[str, Tensor], observations: Tensor) -> Tensor:
    """argmax_a Q(s, a) of G members, [G] int64.

    Args:
        online: the `values` of the members' `Weights`.
        observations: [G, 4, 84, 84] uint8 on the weights' device.
    """
    return q_values(online, observations.unsqueeze(1)).argmax(2).squeeze(1)


def epsilon_greedy(
    uniforms: np.ndarray,
    epsilon: np.ndarray,
    active: np.ndarray,
    actions: int,
    greedy: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """One action per member, [G] int64; members that are not active get 0, the no-op.

    Args:
        uniforms: [G, 2] in [0, 1): the first decides whether to explore, the second where to.
        epsilon: probability of a uniformly random action, [G].
        active: [G] bool.
        actions: size of the action set.
        greedy: the greedy actions of those who need one, [G] bool to [G]; not called where nobody
            does.
    """
    explore = uniforms[:, 0] < epsilon
    chosen = (uniforms[:, 1] * actions).astype(np.int64)
    if (asking := active & ~explore).any():
        chosen = np.where(explore, chosen, greedy(asking))
    return np.where(active, chosen, 0)
