"""The shared optimizers as a vision recipe wants them."""

from typing import Any

from torch import nn

from shared_optim import decay_groups, resolve
from shared_optim.schedules import ScheduleLike, multiplier
from shared_optim.schemes import SCHEMES
from vision.config import Recipe
from vision.models.layers import scale_invariant
from workload.build_optimizer import AnyOptimizer, sgd_or_adam
from workload.member import Member


def make_optimizer(
    model: nn.Module, recipe: Recipe, member: Member, updates_per_epoch: int
) -> AnyOptimizer:
    """SGD or Adam with the member's scheme over all named parameters of the model, those that are
    trained in the first group.

    Raises:
        ConfigError: the decay schedule never decays, whose budget is to be matched.
    """
    parameters: Any = list(model.named_parameters()) if recipe.decay_biases else decay_groups(model)
    if recipe.sphere:
        parameters = _on_the_sphere(model)
    schedule = decay_schedule(recipe, updates_per_epoch)
    return sgd_or_adam(recipe, member, parameters, schedule)


def _on_the_sphere(model: nn.Module) -> list[dict[str, Any]]:
    """The scale-invariant weights, and the rest at the learning rate 0."""
    names = scale_invariant(model)
    named = list(model.named_parameters())
    return [
        {"params": [(name, p) for name, p in named if name in names]},
        {"params": [(name, p) for name, p in named if name not in names], "lr": 0.0},
    ]


def budget_until(
    recipe: Recipe, member: Member, updates_per_epoch: int, epochs: int | None = None
) -> float:
    """The decay budget of a training until some epochs are over, all of them by default:
    sum(alpha_t * lambda * s_t); times 1 / (1 - momentum) where decay passes through SGD's buffer,
    which adds it up."""
    total = recipe.decay_factor(updates_per_epoch) * member.weight_decay
    total *= recipe.budget(updates_per_epoch, epochs=epochs)
    return total / (1 - recipe.momentum) if adds_up(recipe, member) else total


def adds_up(recipe: Recipe, member: Member) -> bool:
    """Whether momentum adds the decay up."""
    return recipe.optimizer == "sgd" and SCHEMES[member.scheme].in_gradient


def decay_schedule(recipe: Recipe, updates_per_epoch: int) -> ScheduleLike:
    """s_t, scaled where the budget is to be matched."""
    schedule = resolve(recipe.decay_schedule, updates_per_epoch)
    factor, s = recipe.decay_factor(updates_per_epoch), multiplier(schedule)
    return schedule if factor == 1 else lambda t: factor * s(t)
