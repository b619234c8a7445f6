"""The shared optimizers and their learning rate as a recipe wants them."""

import math
from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from shared_optim import WeightDecayAdam, WeightDecaySGD, lambdas, resolve
from shared_optim.learning_rates import LearningRate
from shared_optim.schedules import ScheduleLike
from workload.member import Member
from workload.network_recipe import NetworkRecipe
from workload.recipe import OptimizerRecipe

AnyOptimizer = WeightDecaySGD | WeightDecayAdam


def build_optimizer(
    recipe: OptimizerRecipe,
    members: Member | Sequence[Member],
    parameters: Any,
    *,
    updates_per_epoch: int,
) -> WeightDecayAdam:
    """The optimizer of one member, or of a population with each member's own lambda.

    Args:
        recipe: its keys.
        members: one member, or the K of a population whose parameters are stacked [K, ...].
        parameters: (name, parameter) pairs, or parameter groups of such pairs, e.g. those of
            `decay_groups`; a group's own lambdas, e.g. 0 for what shall not decay, go above the
            members'.
        updates_per_epoch: what an epoch means in a decay schedule.
    """
    if isinstance(members, Member):
        decay: dict[str, Any] = dict(lambdas(members.scheme, members.weight_decay))
    else:
        each = [lambdas(member.scheme, member.weight_decay) for member in members]
        decay = {key: [values[key] for values in each] for key in each[0]}
    return WeightDecayAdam(
        parameters,
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.adam_eps,
        schedule=resolve(recipe.decay_schedule, updates_per_epoch),
        eps_placement=recipe.eps_placement,
        rounding=recipe.rounding,
        **decay,
    )


def sgd_or_adam(
    recipe: NetworkRecipe, member: Member, parameters: Any, schedule: ScheduleLike
) -> AnyOptimizer:
    """The optimizer that a recipe names, with a member's scheme.

    Args:
        recipe: its keys.
        member: scheme and lambda; the scheme is one of the optimizer's.
        parameters: as for `build_optimizer`.
        schedule: s_t of the decay, in updates.
    """
    common: dict[str, Any] = {
        "lr": recipe.learning_rate,
        "schedule": schedule,
        "peak_lr": recipe.learning_rate,
        "rounding": recipe.rounding,
        **lambdas(member.scheme, member.weight_decay, recipe.optimizer),
    }
    if recipe.optimizer == "sgd":
        return WeightDecaySGD(
            parameters, momentum=recipe.momentum, nesterov=recipe.nesterov, **common
        )
    return WeightDecayAdam(
        parameters,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.adam_eps,
        eps_placement=recipe.eps_placement,
        **common,
    )


def effective_rates(rate: float, norm: float) -> dict[str, float]:
    """alpha/|w| and alpha/|w|^2: how far a step of Adam, or of SGD on scale-invariant weights,
    turns the weights. nan without a norm.

    Args:
        rate: alpha.
        norm: |w|, of all weights.
    """
    return {
        "optim/rate_over_norm": rate / norm if norm else math.nan,
        "optim/rate_over_square": rate / norm**2 if norm else math.nan,
    }


def scheduled(optimizer: Optimizer, learning_rate: LearningRate, updates: int) -> LambdaLR:
    """The scheduler that gives an optimizer its learning rate, after `updates` of a training.

    Args:
        optimizer: its lr is set at once, and at each `step()` of the scheduler; that of a group
            that is 0 stays.
        learning_rate: with its `peak` at alpha.
        updates: how many the optimizer has taken.
    """
    for group in optimizer.param_groups:
        group["initial_lr"] = float(group["lr"] != 0)  # the function gives alpha itself
    return LambdaLR(optimizer, learning_rate, last_epoch=updates - 1)
