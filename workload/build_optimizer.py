"""The shared optimizer as a recipe wants it."""

from collections.abc import Sequence
from typing import Any

from shared_optim import WeightDecayAdam, lambdas
from workload.member import Member
from workload.recipe import OptimizerRecipe


def build_optimizer(
    recipe: OptimizerRecipe,
    members: Member | Sequence[Member],
    parameters: Any,
) -> WeightDecayAdam:
    """The optimizer of one member, or of a population with each member's own lambda.

    Args:
        recipe: its keys.
        members: one member, or the K of a population whose parameters are stacked [K, ...].
        parameters: (name, parameter) pairs, or parameter groups of such pairs, e.g. those of
            `decay_groups`; a group's own lambdas, e.g. 0 for what shall not decay, go above the
            members'.
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
        schedule=recipe.decay_schedule,
        eps_placement=recipe.eps_placement,
        rounding=recipe.rounding,
        **decay,
    )
