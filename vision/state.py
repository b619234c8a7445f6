"""The state training goes on from: captured for a checkpoint, restored from one."""

from typing import Any

from vision.module import VisionModule
from workload import network_state


def capture(module: VisionModule) -> dict[str, Any]:
    """Weights, optimizer, counters and sums on the CPU, between two updates."""
    return network_state.capture(module) | {
        "window": module.window.cpu().clone(),
        "epoch_sums": module.epoch_sums.cpu().clone(),
        "growth": module.growth.sums.cpu().clone(),
        "diverged": module.diverged,
    }


def restore(module: VisionModule, state: dict[str, Any]) -> None:
    """Put a new module, already on its device, where `capture` found one."""
    network_state.restore(module, state)
    module.window.copy_(state["window"])
    module.epoch_sums.copy_(state["epoch_sums"])
    module.growth.sums.copy_(state["growth"])
    module.diverged = state["diverged"]
