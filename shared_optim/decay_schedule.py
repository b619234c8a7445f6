"""A decay schedule around any torch optimizer, beside torch's schedulers of learning rates."""

from __future__ import annotations

import math
from typing import Any

from torch.optim import Optimizer

from shared_optim.group import Group
from shared_optim.schedules import ScheduleLike, multiplier
from shared_optim.values import spread


class DecaySchedule:
    """Multiplies the weight decay of every parameter group by s_t.

    As torch's schedulers do with learning rates, it remembers what the groups held when it was
    made, scales that for step t = 1 at once, and moves on at each `step()`:

        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
        decay = DecaySchedule(optimizer, "early:1000")
        for inputs, targets in batches:
            ...
            optimizer.step()
            decay.step()

    The optimizers of this package count steps themselves and take the same schedules as their
    argument `schedule=`. Around one of them a DecaySchedule becomes that schedule, so all lambdas
    of all members are scaled, m' and v' go on while s_t is 0, and `weight_decay` stays as it is.

    Args:
        optimizer: whose groups have a `weight_decay`.
        schedule: `early:T` and so on, see `Schedule`, counted in calls of `step()`; an object, or a
            function t -> s_t.

    Raises ValueError for a schedule that is none, or counts epochs; for a group without
    `weight_decay`; and for one of this package's that has a schedule of its own.
    """

    def __init__(self, optimizer: Optimizer, schedule: ScheduleLike) -> None:
        self.optimizer, self.schedule = optimizer, schedule
        self.t = 1
        self._multiplier = multiplier(schedule)
        self._initial: list[float] = []
        self._apply()

    def step(self) -> None:
        """Move on to the next step of the optimizer; call it after each."""
        self.t += 1
        self._apply()

    def state_dict(self) -> dict[str, Any]:
        """Where it is, and the weight decay that each group had at first; not the schedule."""
        return {"t": self.t, "initial": list(self._initial)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, whatever the groups hold by now.

        Raises ValueError for the state of an optimizer with more groups.
        """
        initial = state_dict["initial"]
        if len(initial) > len(self.optimizer.param_groups):
            raise ValueError(
                f"initial: {len(initial)} weight decays for {len(self.optimizer.param_groups)} "
                "parameter groups"
            )
        self.t, self._initial = state_dict["t"], list(initial)
        self._apply()

    def _apply(self) -> None:
        s = float(self._multiplier(self.t))
        if not math.isfinite(s):
            raise ValueError(f"schedule: s_{self.t} = {s} is not a finite number")
        for place, group in enumerate(self.optimizer.param_groups):
            if place == len(self._initial):
                self._initial.append(self._taken(place, group))
            if not isinstance(group, Group):
                group["weight_decay"] = self._initial[place] * s

    def _taken(self, place: int, group: dict[str, Any]) -> float:
        """The weight decay of a group that is met for the first time."""
        if "weight_decay" not in group:
            raise ValueError(
                f"parameter group {place} of {type(self.optimizer).__name__} has no weight_decay "
                f"that a schedule could scale, only {', '.join(group)}"
            )
        if isinstance(group, Group):
            own = spread(group["schedule"], 1)
            if any(each not in ("always", self._now) for each in own):
                raise ValueError(
                    f"schedule: parameter group {place} has one of its own, {own[0]}; make the "
                    "optimizer without"
                )
            members = group["members"]
            group["schedule"] = [self._now] * members if members else self._now
        return float(group["weight_decay"])

    def _now(self, t: int) -> float:
        """s at this schedule's own t, whatever the optimizer has counted."""
        return float(self._multiplier(self.t))
