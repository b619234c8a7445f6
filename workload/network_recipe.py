"""The keys of a recipe whose network trains alone, by SGD or Adam. Imports no torch."""

import re
from dataclasses import dataclass
from typing import Literal

from shared_optim.learning_rates import LearningRate, parse_learning_rate
from workload.errors import ConfigError
from workload.recipe import OptimizerRecipe, require_below_one, require_finite


@dataclass(frozen=True)
class NetworkRecipe(OptimizerRecipe):
    """What recipes of one network share beside the keys of Adam.

    Args:
        optimizer: `sgd` or `adam`.
        learning_rate: alpha, the peak of its schedule.
        learning_rate_schedule: `constant`, `exponential:FACTOR` (per epoch), `steps:FACTOR@T,...`,
            `cosine[:FINAL]` or `wsd:DECAY[:FINAL]`; T and DECAY in updates, or as `80epochs`.
        warm_up: updates over which alpha rises linearly from 0.
        momentum: mu of SGD.
        nesterov: whether SGD looks ahead by a step of momentum.
        beta1: decay rate of Adam's first moment.
        beta2: decay rate of Adam's second moment.
        branch: `RUN@N` goes on from the state that another run has kept: its folder, or
            `SCHEME-LAMBDA,KEY=VALUE,...` for the run beside this one with that decay, these keys
            and else this recipe.
        average_weights: decay per update of an exponential mean of the weights, e.g. 0.999, which
            is tested beside them and changes nothing of the training; 0 keeps none.
    """

    optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate_schedule: str = "constant"
    warm_up: int = 0
    momentum: float = 0.9
    nesterov: bool = False
    branch: str = ""
    average_weights: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_finite(self, "warm_up")
        require_below_one(self, "momentum", "average_weights")
        if self.nesterov and not self.momentum:
            raise ConfigError("nesterov: needs a momentum above 0")
        if self.optimizer == "adam" and self.nesterov:
            raise ConfigError("nesterov: is for the optimizer sgd alone")
        if self.optimizer == "adam" and self.momentum != type(self).momentum:
            raise ConfigError("momentum: is for the optimizer sgd alone; of adam choose beta1")

    def check_branch(self, unit: str, example: str) -> None:
        """Raise ConfigError unless `branch` is empty or `RUN@N`, N a whole number above 0.

        Args:
            unit: what N counts, in capitals.
            example: a branch.
        """
        if self.branch and not re.fullmatch(r".+@[1-9][0-9]*", self.branch):
            raise ConfigError(f"branch: {self.branch!r} is no RUN@{unit}, e.g. {example}")

    @property
    def branch_run(self) -> str:
        """From which run it goes on: a folder or a name."""
        return self.branch.rpartition("@")[0]

    @property
    def branch_number(self) -> int:
        """What stands behind the `@`."""
        return int(self.branch.rpartition("@")[2])

    def learning_rates_over(self, updates: int, updates_per_epoch: int) -> LearningRate:
        """alpha as a function of the updates done before, of a training of so many updates."""
        return parse_learning_rate(
            self.learning_rate_schedule,
            updates=updates,
            updates_per_epoch=updates_per_epoch,
            warm_up=self.warm_up,
            peak=self.learning_rate,
        )
