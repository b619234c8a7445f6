"""Everything that decides what an RL run computes, as typed values. Imports no torch.

A `Recipe` holds what all members of a population share, a `Member` what makes one agent that
agent, and `Machine` what may differ between machines without changing any result that is not
already subject to the machine's arithmetic.
"""

from dataclasses import dataclass
from typing import Literal

from workload.errors import ConfigError
from workload.recipe import (
    OPTIMIZER_KEYS,
    MachineBase,
    OptimizerRecipe,
    require_finite,
    require_positive,
)

PAPER_GAMES = (
    "BeamRider",
    "Breakout",
    "Enduro",
    "Pong",
    "Qbert",
    "Seaquest",
    "SpaceInvaders",
    "TimePilot",
)
"""The eight games of Table 1."""

GYMNASIUM = "gymnasium:"
"""Before the id of an environment of gymnasium's registry."""
ATARI_KEYS = (
    "sticky_actions",
    "frame_skip",
    "action_set",
    "no_ops",
    "fire_reset",
    "episodic_life",
)
"""Keys that other environments do not have."""

NEWEST, PREVIOUS, BEST = "newest", "previous", "best"
"""Checkpoints by name: the newest, the one before, and the iteration with the highest
evaluation."""


def check_checkpoint(text: str) -> None:
    """Raise ConfigError unless `text` names a checkpoint, or is the number of an iteration."""
    if text not in (NEWEST, PREVIOUS, BEST) and not text.isdecimal():
        raise ConfigError(
            f"--checkpoint: {text!r} is none of {NEWEST}, {PREVIOUS}, {BEST}, and no iteration's "
            "number"
        )


@dataclass(frozen=True)
class Recipe(OptimizerRecipe):
    """The training recipe of one population. Steps are agent steps: one per chosen action.

    Args:
        game: Atari game in ale-py's CamelCase, e.g. `Pong` or `SpaceInvaders`, or an environment of
            gymnasium as `gymnasium:CartPole-v1`. `--env` is the same flag.
        iterations: number of iterations; each is a training and an evaluation phase.
        training_steps: training steps per iteration; the last episode is always finished.
        evaluation_steps: evaluation steps per iteration; likewise. 0 skips evaluation.
        learning_rate: alpha of Adam.
        decay_schedule: `always`, `early:T`, `late:T`, `stuttered:K` or `skipped:K`; T and K count
            updates, or as in `early:50epochs` iterations, of training_steps / update_every updates
            each.
        decay_biases: whether biases decay too, as in the paper; False decays kernels only.
        loss: `huber` (delta 1) or `squared` error of the temporal difference, mean over the batch.
        gamma: discount per agent step.
        n_step: rewards summed before bootstrapping.
        batch_size: transitions per update.
        warm_up: training steps before the first update.
        update_every: training steps per update.
        target_every: training steps between copies into the target network.
        epsilon_final: exploration after annealing; it starts at 1.
        epsilon_steps: training steps, after the warm-up, over which epsilon falls linearly.
        evaluation_epsilon: exploration while evaluating.
        reward_clip: whether learning sees rewards clipped to [-1, 1]; scores never are.
        sticky_actions: probability, per emulator frame, that the previous action repeats.
        frame_skip: emulator frames per agent step, of Atari.
        max_episode_steps: agent steps after which an episode is cut off.
        truncation: what an episode's being cut off is for learning: `terminal`, an end with nothing
            behind it, or `bootstrap`, where the value of what is seen last counts (n_step 1 alone).
        action_set: `minimal`, what the game knows, or `full`, all 18 actions of the console.
        no_ops: at most so many emulator frames without an action begin an episode, at random from
            1 on; 0 for none.
        fire_reset: whether an episode begins with FIRE, where the game knows it.
        episodic_life: whether an episode ends for learning where a life is lost. Scores are of
            whole games, and so is an evaluation.
        replay_capacity: transitions kept.
        padding: of convolutions, `same` (Dopamine, flatten 7,744) or `valid` (usual in PyTorch,
            flatten 3,136).
        precision: `float32`, or `bf16`: the networks compute in bfloat16, from a copy of weights
            that stay float32 in the optimizer.
        log_every: training steps between rows of metrics.jsonl and looks inside the optimizer.
    """

    game: str = "Pong"
    iterations: int = 200
    training_steps: int = 250_000
    evaluation_steps: int = 125_000
    learning_rate: float = 2.5e-4
    loss: Literal["huber", "squared"] = "huber"
    gamma: float = 0.99
    n_step: int = 1
    batch_size: int = 32
    warm_up: int = 20_000
    update_every: int = 4
    target_every: int = 8_000
    epsilon_final: float = 0.01
    epsilon_steps: int = 250_000
    evaluation_epsilon: float = 0.001
    reward_clip: bool = True
    sticky_actions: float = 0.25
    frame_skip: int = 4
    max_episode_steps: int = 27_000
    truncation: Literal["terminal", "bootstrap"] = "terminal"
    action_set: Literal["minimal", "full"] = "minimal"
    no_ops: int = 0
    fire_reset: bool = False
    episodic_life: bool = False
    replay_capacity: int = 1_000_000
    padding: Literal["same", "valid"] = "same"
    log_every: int = 25_000

    KEYS_AFTER = {  # noqa: RUF012
        "evaluation_steps": ("learning_rate", *OPTIMIZER_KEYS),
        "padding": ("precision",),
    }

    @property
    def gymnasium_id(self) -> str | None:
        """Of the environment; None of an Atari game."""
        if not self.game.startswith(GYMNASIUM):
            return None
        return self.game.removeprefix(GYMNASIUM)

    @property
    def frames_per_step(self) -> int:
        """What an agent step counts for in numbers of frames."""
        return 1 if self.gymnasium_id else self.frame_skip

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, *_POSITIVE)
        if self.gymnasium_id:
            for key in ATARI_KEYS:
                default = type(self).__dataclass_fields__[key].default
                if getattr(self, key) != default:
                    raise ConfigError(
                        f"{key}: {getattr(self, key)} is for Atari games; with {self.game} leave "
                        f"it at {default}"
                    )
        for key in _FRACTIONS:
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"{key}: {getattr(self, key)} is not between 0 and 1")
        if self.max_episode_steps * self.frame_skip >= 2**31:
            raise ConfigError(
                f"max_episode_steps: {self.max_episode_steps} times frame_skip, "
                f"{self.frame_skip}, is not below 2^31 emulator frames"
            )
        for key in _MULTIPLES:
            if getattr(self, key) % self.update_every:
                raise ConfigError(
                    f"{key}: {getattr(self, key)} is not a multiple of update_every, "
                    f"{self.update_every}"
                )
        if self.training_steps < self.update_every:
            raise ConfigError(
                f"training_steps: {self.training_steps} is below update_every, {self.update_every}"
            )
        if self.warm_up <= self.n_step:
            raise ConfigError(f"warm_up: {self.warm_up} is not above n_step, {self.n_step}")
        require_finite(self, "evaluation_steps", "no_ops")
        if self.truncation == "bootstrap" and self.n_step > 1:
            raise ConfigError(
                f"truncation: bootstrap needs n_step 1, not {self.n_step}: sums of rewards that an "
                "episode's end cuts short would lack their last value"
            )
        if self.replay_capacity < self.warm_up:
            raise ConfigError(
                f"replay_capacity: {self.replay_capacity:,} is below warm_up, {self.warm_up:,}: "
                f"learning could never start; allowed are {self.warm_up:,} and more"
            )
        least = self.n_step + (5 if self.truncation == "bootstrap" else 4)
        if self.replay_capacity < least:
            raise ConfigError(
                f"replay_capacity: {self.replay_capacity} is below {least}: no state would fit"
            )


_POSITIVE = (
    "iterations",
    "training_steps",
    "n_step",
    "batch_size",
    "update_every",
    "target_every",
    "epsilon_steps",
    "frame_skip",
    "max_episode_steps",
    "replay_capacity",
    "log_every",
)
_FRACTIONS = ("gamma", "epsilon_final", "evaluation_epsilon", "sticky_actions")
_MULTIPLES = ("warm_up", "log_every")


@dataclass(frozen=True)
class Machine(MachineBase):
    """Where and how a population runs; no part of a run's identity.

    Args:
        checkpoint_every: training steps between checkpoints within a phase.
        keep_replay: whether a finished run keeps its replay on the disk, so that the same command
            with more --iterations goes on where it ended.
        keep_checkpoints: the weights of how many of the newest iterations are kept for `evaluate`
            and `watch`, or `best` for those with the highest evaluation.
        without_replay: whether a run whose replay on the disk is damaged goes on with an empty one,
            which fills again before learning goes on. The result is another; the run is marked so.
    """

    checkpoint_every: int = 25_000
    keep_replay: bool = False
    keep_checkpoints: str = "0"
    without_replay: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keep_checkpoints != BEST and not self.keep_checkpoints.isdecimal():
            raise ConfigError(
                f"keep_checkpoints: {self.keep_checkpoints!r} is neither a number of iterations "
                f"nor {BEST}"
            )
