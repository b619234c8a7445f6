"""Episode returns per phase and learning statistics per window, for K members."""

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

Episode = tuple[float, int]
RECENT = 100
"""Training episodes in a mean over the newest: what others' tools print as a score."""


class EndedEpisode(NamedTuple):
    """What a member's episode came to: its undiscounted, unclipped return, and agent steps."""

    member: int
    score: float
    length: int


def episode_summary(prefix: str, episodes: Sequence[Episode]) -> dict[str, Any]:
    """Mean and median of the undiscounted, unclipped returns and mean length of finished episodes;
    the standard deviation is that of the population. Without episodes all but their number are
    None."""
    if not episodes:
        return {
            f"{prefix}/episodes": 0,
            f"{prefix}/return": None,
            f"{prefix}/return_median": None,
            f"{prefix}/return_std": None,
            f"{prefix}/length": None,
        }
    returns, lengths = zip(*episodes, strict=True)
    return {
        f"{prefix}/episodes": len(episodes),
        f"{prefix}/return": float(np.mean(returns)),
        f"{prefix}/return_median": float(np.median(returns)),
        f"{prefix}/return_std": float(np.std(returns)),
        f"{prefix}/length": float(np.mean(lengths)),
    }


class Scores:
    """The running episode of each member, the finished ones of the phase and of the window, and
    the newest RECENT returns of training."""

    def __init__(self, members: int) -> None:
        self.returns = np.zeros(members)
        self.lengths = np.zeros(members, dtype=np.int64)
        self.phase: list[list[Episode]] = [[] for _ in range(members)]
        self.window: list[list[Episode]] = [[] for _ in range(members)]
        self.iteration: list[dict[str, Any]] = [{} for _ in range(members)]
        self.last: list[float | None] = [None] * members
        self.recent: list[deque[float]] = [deque(maxlen=RECENT) for _ in range(members)]

    def add(
        self,
        members: slice,
        rewards: np.ndarray,
        ended: np.ndarray,
        active: np.ndarray,
        *,
        training: bool,
    ) -> list[EndedEpisode]:
        """One step of the active ones among some members: raw rewards, and whether the episode
        ended. Returns the episodes that did.

        Only training episodes enter the window of `train/return`.
        """
        self.returns[members] += np.where(active, rewards, 0.0)
        self.lengths[members] += active
        if not ended.any():
            return []
        finished = []
        for k in (members.start + np.flatnonzero(ended & active)).tolist():
            episode = (float(self.returns[k]), int(self.lengths[k]))
            self.phase[k].append(episode)
            finished.append(EndedEpisode(k, *episode))
            if training:
                self.window[k].append(episode)
                self.recent[k].append(episode[0])
            self.last[k] = episode[0]
            self.returns[k], self.lengths[k] = 0.0, 0
        return finished

    def recent_mean(self, k: int) -> dict[str, float | None]:
        """Member k's mean return over the newest RECENT training episodes; None before the
        first."""
        recent = self.recent[k]
        return {f"train/return_last{RECENT}": float(np.mean(recent)) if recent else None}

    def state(self, k: int) -> dict[str, Any]:
        """Member k's part, as plain values for a checkpoint."""
        return {
            "return": float(self.returns[k]),
            "length": int(self.lengths[k]),
            "phase": self.phase[k],
            "window": self.window[k],
            "iteration": self.iteration[k],
            "last": self.last[k],
            "recent": list(self.recent[k]),
        }

    def set_state(self, k: int, saved: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.returns[k], self.lengths[k] = saved["return"], saved["length"]
        self.phase[k], self.window[k] = saved["phase"], saved["window"]
        self.iteration[k], self.last[k] = saved["iteration"], saved["last"]
        # states of runs begun before it was kept lack it
        self.recent[k] = deque(saved.get("recent", ()), maxlen=RECENT)


class Window:
    """Sums over the updates since the last row of a member's metrics, [G] each.

    Attributes:
        loss, mean_q: on the device.
        updates: on the host.
    """

    def __init__(self, members: int, device: torch.device) -> None:
        self.loss = torch.zeros(members, dtype=torch.float64, device=device)
        self.mean_q = torch.zeros(members, dtype=torch.float64, device=device)
        self.updates = np.zeros(members, dtype=np.int64)

    def add(self, loss: Tensor, mean_q: Tensor, learning: Tensor) -> None:
        """One update of the members with `learning`, [G] bool; others' values are left out.

        `updates` is for the caller to count.
        """
        self.loss += torch.where(learning, loss, 0)
        self.mean_q += torch.where(learning, mean_q, 0)

    def means(self, k: int) -> dict[str, float | None]:
        """Member k's mean loss and mean Q, None before the first update."""
        count = int(self.updates[k])
        if not count:
            return {"loss": None, "mean_q": None}
        return {
            "loss": float(self.loss[k]) / count,
            "mean_q": float(self.mean_q[k]) / count,
        }

    def clear(self, k: int) -> None:
        self.loss[k] = 0
        self.mean_q[k] = 0
        self.updates[k] = 0

    def state(self, k: int) -> dict[str, Any]:
        """Member k's part, as plain values for a checkpoint."""
        return {
            "loss": float(self.loss[k]),
            "mean_q": float(self.mean_q[k]),
            "updates": int(self.updates[k]),
        }

    def set_state(self, k: int, saved: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.loss[k], self.mean_q[k] = saved["loss"], saved["mean_q"]
        self.updates[k] = saved["updates"]
