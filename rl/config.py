"""Everything that decides what an RL run computes, as typed values. Imports no torch.

A `Recipe` holds what all members of a population share, a `Member` what makes one agent that
agent, and `Machine` what may differ between machines without changing any result that is not
already subject to the machine's arithmetic.
"""

import math
from dataclasses import dataclass
from typing import Literal

from shared_optim.member import ConfigError as ConfigError
from shared_optim.member import Member as Member
from shared_optim.member import Scheme as Scheme
from shared_optim.member import check_schedule

Graphs = Literal["auto", "on", "off"]

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


@dataclass(frozen=True)
class Recipe:
    """The training recipe of one population. Steps are agent steps: one per chosen action.

    Args:
        game: Atari game in ale-py's CamelCase, e.g. `Pong` or `SpaceInvaders`.
        iterations: number of iterations; each is a training and an evaluation phase.
        training_steps: training steps per iteration; the last episode is always finished.
        evaluation_steps: evaluation steps per iteration; likewise. 0 skips evaluation.
        learning_rate: alpha of Adam.
        beta1: decay rate of the first moment.
        beta2: decay rate of the second moment.
        adam_eps: epsilon of Adam.
        eps_placement: `outside` adds eps to the bias-corrected denominator (torch, optax), `hat`
            to the uncorrected one (TF1, fairseq).
        rounding: `once` rounds theta one time per step, `torch` rounds after the decay as well.
        decay_schedule: `always`, `early:T`, `late:T` or `stuttered:K`; T and K count updates.
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
        frame_skip: emulator frames per agent step.
        max_episode_steps: agent steps after which an episode is cut off.
        replay_capacity: transitions kept.
        padding: `same` (Dopamine, flatten 7,744) or `valid` (usual in PyTorch, flatten 3,136).
        precision: `float32`, or `bf16`: the networks compute in bfloat16, from a copy of weights
            that stay float32 in the optimizer.
        log_every: training steps between rows of metrics.jsonl and looks inside the optimizer.
    """

    game: str = "Pong"
    iterations: int = 200
    training_steps: int = 250_000
    evaluation_steps: int = 125_000
    learning_rate: float = 2.5e-4
    beta1: float = 0.9
    beta2: float = 0.999
    adam_eps: float = 1e-8
    eps_placement: Literal["outside", "hat"] = "outside"
    rounding: Literal["once", "torch"] = "once"
    decay_schedule: str = "always"
    decay_biases: bool = True
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
    replay_capacity: int = 1_000_000
    padding: Literal["same", "valid"] = "same"
    precision: Literal["float32", "bf16"] = "float32"
    log_every: int = 25_000

    def __post_init__(self) -> None:
        for key in _POSITIVE:
            if not getattr(self, key) > 0:
                raise ConfigError(f"{key}: {getattr(self, key)} is not above 0")
        for key in _FRACTIONS:
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"{key}: {getattr(self, key)} is not between 0 and 1")
        for key in ("beta1", "beta2"):
            if not 0 <= getattr(self, key) < 1:
                raise ConfigError(f"{key}: {getattr(self, key)} is not from 0 to below 1")
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
        for key in ("evaluation_steps", "adam_eps"):
            value = getattr(self, key)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{key}: {value} is not a finite number >= 0")
        if self.replay_capacity < self.warm_up:
            raise ConfigError(
                f"replay_capacity: {self.replay_capacity:,} is below warm_up, {self.warm_up:,}: "
                f"learning could never start; allowed are {self.warm_up:,} and more"
            )
        if self.replay_capacity < self.n_step + 4:
            raise ConfigError(
                f"replay_capacity: {self.replay_capacity} is below n_step + 4, "
                f"{self.n_step + 4}: no state would fit"
            )
        check_schedule(self.decay_schedule)


_POSITIVE = (
    "iterations",
    "training_steps",
    "learning_rate",
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
class Machine:
    """Where and how a population runs; no part of a run's identity.

    Args:
        device: `auto` (cuda when there is one), `cpu` or `cuda`.
        threads: CPU threads for arithmetic; 0 leaves torch's choice.
        checkpoint_every: training steps between checkpoints within a phase.
        graphs: whether a GPU replays what it does in every step as CUDA graphs. `auto` tries them
            against the plain path at the start of a run and keeps them where all numbers agree,
            `on` insists, `off` never does.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 0
    checkpoint_every: int = 25_000
    graphs: Graphs = "auto"

    def __post_init__(self) -> None:
        if self.threads < 0:
            raise ConfigError(f"threads: {self.threads} is negative; 0 leaves torch's choice")
        if self.checkpoint_every <= 0:
            raise ConfigError(f"checkpoint_every: {self.checkpoint_every} is not above 0")
