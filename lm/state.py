"""The state training goes on from: captured for a checkpoint, restored from one."""

from typing import Any

from lm.language_training import LanguageTraining
from workload import network_state
from workload.errors import ConfigError


def capture(module: LanguageTraining) -> dict[str, Any]:
    """Weights, optimizer, counters and sums on the CPU, between two updates."""
    return network_state.capture(module) | {
        "window": module.window.cpu().clone(),
        "round_sums": module.round_sums.cpu().clone(),
        "watch": module.watch.state.cpu().clone(),
        "diverged": module.diverged,
        "text": module.data.digest,
    }


def restore(module: LanguageTraining, state: dict[str, Any]) -> None:
    """Put a new module, already on its device, where `capture` found one.

    Raises:
        ConfigError: it was trained on another text; nothing has been changed.
    """
    data = module.data
    if state.get("text", data.digest) != data.digest:
        raise ConfigError(
            f"data: {data.prepared.folder} has another text than the one that training began with; "
            "prepare that one again, or train anew in another --runs"
        )
    network_state.restore(module, state)
    module.window.copy_(state["window"])
    module.round_sums.copy_(state["round_sums"])
    module.watch.state.copy_(state["watch"])
    module.diverged = state["diverged"]
