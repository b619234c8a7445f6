"""The state training goes on from: captured for a checkpoint, restored from one."""

from typing import Any

import torch
from torch import Tensor

from vision.module import VisionModule


def capture(module: VisionModule) -> dict[str, Any]:
    """Weights, optimizer and counters on the CPU, between two updates."""
    return {
        "weights": {name: value.cpu().clone() for name, value in module.model.state_dict().items()},
        "optimizer": {
            name: {key: _on(value, "cpu") for key, value in state.items()}
            for name, parameter in module.model.named_parameters()
            if (state := module.optimizer.state.get(parameter))
        },
        "epoch": module.position.epoch,
        "batches": module.position.batches,
        "updates": module.position.updates,
        "average": module.average and [weight.cpu().clone() for weight in module.average.weights],
        "window": module.window.cpu().clone(),
        "epoch_sums": module.epoch_sums.cpu().clone(),
        "growth": module.growth.sums.cpu().clone(),
        "diverged": module.diverged,
    }


def restore(module: VisionModule, state: dict[str, Any]) -> None:
    """Put a new module, already on its device, where `capture` found one."""
    module.model.load_state_dict(state["weights"])
    position = module.position
    position.epoch, position.batches = state["epoch"], state["batches"]
    position.updates = state["updates"]
    for name, parameter in module.model.named_parameters():
        if name in state["optimizer"]:
            saved = state["optimizer"][name]
            module.optimizer.state[parameter] = {
                key: _on(value, parameter.device) for key, value in saved.items()
            }
    if module.average is not None and state["average"] is not None:
        torch._foreach_copy_(module.average.weights, state["average"])
    module.window.copy_(state["window"])
    module.epoch_sums.copy_(state["epoch_sums"])
    module.growth.sums.copy_(state["growth"])
    module.diverged = state["diverged"]


def _on(value: Any, device: Any) -> Any:
    return value.to(device, copy=True) if isinstance(value, Tensor) else value
