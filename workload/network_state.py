"""What every training of one network goes on from: captured for a checkpoint, restored from one."""

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from workload.averaging import WeightAverage
from workload.position import Position


class Training(Protocol):
    """A network with its optimizer, which may be made when it is first asked for."""

    model: nn.Module
    position: Position

    @property
    def optimizer(self) -> Optimizer:
        """Of the model's parameters, its learning rate that of the position."""

    @property
    def average(self) -> WeightAverage | None:
        """The mean of the weights, begun with those that the model has when it is asked for."""


def capture(training: Training) -> dict[str, Any]:
    """Weights, optimizer, mean and counters on the CPU, between two updates."""
    model, position, average = training.model, training.position, training.average
    return {
        "weights": {name: value.cpu().clone() for name, value in model.state_dict().items()},
        "optimizer": {
            name: {key: _on(value, "cpu") for key, value in state.items()}
            for name, parameter in model.named_parameters()
            if (state := training.optimizer.state.get(parameter))
        },
        "epoch": position.epoch,
        "batches": position.batches,
        "updates": position.updates,
        "average": average and [weight.cpu().clone() for weight in average.weights],
    }


def restore(training: Training, state: dict[str, Any]) -> None:
    """Put a new training, already on its device, where `capture` found one."""
    training.model.load_state_dict(state["weights"])
    position = training.position
    position.epoch, position.batches = state["epoch"], state["batches"]
    position.updates = state["updates"]
    for name, parameter in training.model.named_parameters():
        if name in state["optimizer"]:
            saved = state["optimizer"][name]
            training.optimizer.state[parameter] = {
                key: _on(value, parameter.device) for key, value in saved.items()
            }
    if training.average is not None and state["average"] is not None:
        torch._foreach_copy_(training.average.weights, state["average"])


def _on(value: Any, device: Any) -> Any:
    return value.to(device, copy=True) if isinstance(value, Tensor) else value
