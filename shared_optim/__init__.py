"""Adam and SGD with every scheme of weight decay, their schedules and their measures.

The names below are imported when they are first used: schemes and metrics are read by commands that
must not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared_optim.adam import WeightDecayAdam
    from shared_optim.budget import decay_budget
    from shared_optim.convert import from_torch, to_torch
    from shared_optim.decay_schedule import DecaySchedule
    from shared_optim.groups import decay_groups, lambdas
    from shared_optim.measures.observe import Observation, Start, observe_step
    from shared_optim.measures.statistics import StepReport
    from shared_optim.plan import Plan
    from shared_optim.schedules import Schedule, parse_schedule, resolve
    from shared_optim.sgd import WeightDecaySGD

__all__ = [
    "DecaySchedule",
    "Observation",
    "Plan",
    "Schedule",
    "Start",
    "StepReport",
    "WeightDecayAdam",
    "WeightDecaySGD",
    "decay_budget",
    "decay_groups",
    "from_torch",
    "lambdas",
    "observe_step",
    "parse_schedule",
    "resolve",
    "to_torch",
]

_HOME = {
    "DecaySchedule": "decay_schedule",
    "Observation": "measures.observe",
    "Start": "measures.observe",
    "Plan": "plan",
    "Schedule": "schedules",
    "StepReport": "measures.statistics",
    "WeightDecayAdam": "adam",
    "WeightDecaySGD": "sgd",
    "decay_budget": "budget",
    "decay_groups": "groups",
    "from_torch": "convert",
    "lambdas": "groups",
    "observe_step": "measures.observe",
    "parse_schedule": "schedules",
    "resolve": "schedules",
    "to_torch": "convert",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
