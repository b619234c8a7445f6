"""Episodes of a trained agent, several at once."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rl.environment import make_environments
from rl.exploration import epsilon_greedy
from rl.random_streams import Purpose, Uniforms, generator
from rl.trained_agent import TrainedAgent


class Episode(NamedTuple):
    """The game's points, over `length` agent steps; whether it was cut off at the cap."""

    score: float
    length: int
    cut_off: bool


def play(
    agent: TrainedAgent,
    *,
    episodes: int,
    epsilon: float,
    seed: int,
    environments: int,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Episode]:
    """Play whole episodes in the training's environment, in the order in which they end.

    Each environment plays its share of them, decided beforehand: the first to end of all would be
    the short ones.

    Args:
        agent: who plays.
        episodes: how many.
        epsilon: probability of a random action.
        seed: of the environments and the random actions.
        environments: how many at once, at most as many as episodes. What is played depends on it.
        progress: told how many have ended.
    """
    size = min(environments, episodes)
    stage = make_environments(agent.recipe, size)
    left = np.array([episodes // size + (i < episodes % size) for i in range(size)])
    seeds = generator(seed, Purpose.PLAY, 0).integers(2**31, size=size)
    uniforms = Uniforms([seed], Purpose.PLAY, (1,), 2 * size)
    observation = stage.reset(seeds.tolist())
    epsilons, returns, lengths = np.full(size, epsilon), np.zeros(size), np.zeros(size, dtype=int)
    played: list[Episode] = []
    tick = 0
    while (active := left > 0).any():
        actions = epsilon_greedy(
            uniforms.row(tick).reshape(size, 2),
            epsilons,
            active,
            stage.actions,
            lambda _: agent.greedy(observation),  # noqa: B023
        )
        step = stage.step(actions)
        observation = step.observation
        returns += step.reward
        lengths += 1
        for i in np.flatnonzero(step.ended).tolist():
            if active[i]:
                played.append(Episode(float(returns[i]), int(lengths[i]), bool(step.cut_off[i])))
                left[i] -= 1
            returns[i], lengths[i] = 0.0, 0
        if step.ended.any():
            progress(len(played))
        tick += 1
    stage.close()
    return played
