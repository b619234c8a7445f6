"""Film a trained agent."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from rl.config import Recipe
from rl.environment import Environments
from rl.exploration import epsilon_greedy, greedy_actions
from rl.member_checkpoint import trained_parameters
from rl.network import Weights
from rl.random_streams import Purpose, Uniforms, environment_seed


@dataclass(frozen=True)
class Film:
    """What was filmed: `score` is the game's points over `steps` agent steps."""

    path: Path
    score: float
    steps: int
    ended: bool


def record_episode(
    run: Path, recipe: Recipe, out: Path, seed: int = 0, seconds: float = 60.0
) -> Film:
    """Play one episode with a run's newest weights at the evaluation epsilon, into a GIF.

    The agent plays in the training's environment; a second one in colour and full size, with the
    same seed and the same actions, is the camera.

    Args:
        run: run directory with a checkpoint.
        recipe: the run's recipe.
        out: the GIF to write.
        seed: of the episode; each seed plays another one.
        seconds: of game time after which the film ends, at 60 emulator frames per second.

    Raises:
        CheckpointError: the run has no readable checkpoint.
    """
    online = Weights(trained_parameters(run), torch.float32)
    stage = Environments(recipe, 1)
    camera = Environments(recipe, 1, colour=True)
    episode_seed = environment_seed(seed, 0, 1)
    observation, picture = stage.reset([episode_seed]), camera.reset([episode_seed])
    uniforms = Uniforms([seed], Purpose.EXPLORATION, (0, 1), 2)
    epsilon, active = np.array([recipe.evaluation_epsilon]), np.array([True])
    pictures: list[Image.Image] = []
    score, ended, steps = 0.0, False, 0
    while not ended and steps < seconds * 60 / recipe.frame_skip:
        pictures.append(Image.fromarray(picture[0, -1]).quantize(64))
        action = epsilon_greedy(
            uniforms.row(steps),
            epsilon,
            active,
            stage.actions,
            functools.partial(_best, online, torch.from_numpy(observation)),
        )
        step = stage.step(action)
        observation, picture = step.observation, camera.step(action).observation
        score, ended, steps = score + float(step.reward[0]), bool(step.ended[0]), steps + 1
    milliseconds = 10 * round(100 * recipe.frame_skip / 60)  # GIF counts hundredths
    pictures[0].save(
        out, save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0, optimize=True
    )
    stage.close()
    camera.close()
    return Film(out, score, steps, ended)


def _best(online: Weights, observations: torch.Tensor) -> np.ndarray:
    result: np.ndarray = greedy_actions(online.values, observations).numpy()
    return result
