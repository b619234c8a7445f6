"""How much decay a training holds: the sum of alpha_t*lambda*s_t. Imports no torch."""

import math
from collections.abc import Callable

from shared_optim.learning_rates import LearningRate
from shared_optim.schedules import Schedule, ScheduleLike, multiplier, parse_schedule


def decay_budget(
    learning_rate: Callable[[int], float],
    weight_decay: float,
    updates: int,
    schedule: ScheduleLike = "always",
) -> float:
    """The sum of alpha_t*lambda*s_t over t = 1, ..., updates, a number without a unit.

    Under `decoupled` a weight without gradients is multiplied by about exp(-budget); under `l2` in
    SGD with momentum mu by about exp(-budget/(1-mu)). Two trainings whose budgets differ do not
    tell early decay from late decay, but little decay from much.

    Args:
        learning_rate: alpha_t is learning_rate(t - 1); the functions of `learning_rates` with their
            `peak` at alpha, whose sums are closed forms, or any other.
        weight_decay: lambda.
        updates: the length of the training.
        schedule: s_t; in updates, see `resolve`.

    Raises ValueError for a schedule that is none, or counts epochs.
    """
    s = multiplier(schedule)
    found = parse_schedule(schedule) if isinstance(schedule, str) else schedule
    if not isinstance(found, Schedule):
        return weight_decay * math.fsum(s(t) * learning_rate(t - 1) for t in range(1, updates + 1))
    steps = found.steps
    match found.kind:
        case "always":
            return weight_decay * _total(learning_rate, 0, updates)
        case "early":
            return weight_decay * _total(learning_rate, 0, min(steps, updates))
        case "late":
            return weight_decay * _total(learning_rate, steps, updates)
        case "stuttered" | "skipped":
            bursts = math.fsum(learning_rate(t - 1) for t in range(steps, updates + 1, steps))
            return weight_decay * s(steps) * bursts


def _total(learning_rate: Callable[[int], float], start: int, stop: int) -> float:
    if isinstance(learning_rate, LearningRate):
        return learning_rate.total(start, stop)
    return math.fsum(map(learning_rate, range(start, stop)))
