"""The shared optimizer and its learning rate as a recipe wants them."""

from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from shared_optim import WeightDecayAdam, lambdas, resolve
from shared_optim.learning_rates import LearningRate
from workload.member import Member
from workload.recipe import OptimizerRecipe


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
