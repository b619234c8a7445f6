"""What every training of one network goes on from: captured for a checkpoint, restored from one."""

from typing import Any

import torch
from torch import Tensor

from workload.network_training import NetworkTraining


def capture(training: NetworkTraining[Any]) -> dict[str, Any]:
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


def restore(training: NetworkTraining[Any], state: dict[str, Any]) -> None:
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
