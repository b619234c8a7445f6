"""Adam with L2, decoupled and separated weight decay, its schedules and its diagnostics."""

from shared_optim.diagnostics import StepReport, observe_step
from shared_optim.groups import decay_groups, lambdas
from shared_optim.optimizer import WeightDecayAdam
from shared_optim.schedules import Schedule, parse_schedule

__all__ = [
    "Schedule",
    "StepReport",
    "WeightDecayAdam",
    "decay_groups",
    "lambdas",
    "observe_step",
    "parse_schedule",
]
