"""The state training goes on from: captured for a checkpoint, restored from one."""

from typing import Any

import torch
from torch import Tensor

from nlp.module import TranslationModule
from nlp.position import Position


def capture(module: TranslationModule) -> dict[str, Any]:
    """Weights, optimizer and counters on the CPU, between two updates.

    Within an epoch the position is counted in updates, so that another number of processes can
    go on.
    """
    module.settle()
    return {
        "weights": {name: value.cpu().clone() for name, value in module.model.state_dict().items()},
        "optimizer": {
            name: {key: _on(value, "cpu") for key, value in state.items()}
            for name, parameter in module.model.named_parameters()
            if (state := module.optimizer.state.get(parameter))
        },
        "epoch": module.position.epoch,
        "updates_of_epoch": -(-module.position.batches // module.share),
        "updates": module.position.updates,
        "window": module.window.clone(),
        "epoch_sums": module.epoch_sums.clone(),
        "diverged": module.diverged,
    }


def restore(module: TranslationModule, state: dict[str, Any]) -> None:
    """Put a new module, already on its device, where `capture` found one."""
    module.model.load_state_dict(state["weights"])
    batches = min(state["updates_of_epoch"] * module.share, module.batches.per_epoch)
    module.position = Position(state["epoch"], batches, state["updates"])
    for name, parameter in module.model.named_parameters():
        if name in state["optimizer"]:
            saved = state["optimizer"][name]
            module.optimizer.state[parameter] = {
                key: _on(value, parameter.device) for key, value in saved.items()
            }
    module.window, module.epoch_sums = state["window"], state["epoch_sums"]
    module.diverged = state["diverged"]


def _on(value: Any, device: torch.device | str) -> Any:
    return value.to(device, copy=True) if isinstance(value, Tensor) else value
