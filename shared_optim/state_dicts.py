"""What of an optimizer a state_dict holds, and which state_dicts an optimizer can load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.optim.optimizer import Optimizer

from shared_optim.group import Group
from shared_optim.values import spread

CALLABLE = "callable"
"""What a state_dict says of a schedule that is a function, which it cannot hold."""


def name_functions(_: Optimizer, state_dict: dict[str, Any]) -> None:
    """Put a word in the place of each schedule of a state_dict that is a function."""
    for group in state_dict["param_groups"]:
        each = [CALLABLE if callable(s) else s for s in spread(group["schedule"], 1)]
        group["schedule"] = each if isinstance(group["schedule"], list) else each[0]


def loadable(
    saved: dict[str, Any], own: Group, lambdas: Sequence[str], optimizer: str
) -> dict[str, Any]:
    """A saved group with every key that an optimizer's own group has.

    Args:
        saved: of a state_dict.
        own: the group in whose place it is loaded.
        lambdas: the names of those that the optimizer takes.
        optimizer: its name, for errors.

    Raises ValueError for the state of another optimizer, of a population of another size, or
    with a function for a schedule where `own` has none.
    """
    identifying = ("l2", "decoupled", *(key for key in ("betas", "momentum") if key in own))
    if "members" not in saved or any(key not in saved for key in identifying):
        raise ValueError(
            f"a parameter group with the keys {', '.join(saved)} is another optimizer's; "
            f"only a state_dict of {optimizer} can be loaded"
        )
    # made without any lambda, it has not been said of what it is
    is_known = own["members"] or any(own[name] for name in lambdas)
    if saved["members"] != own["members"] and is_known:
        whose, mine = (
            f"a population of {members}" if members else "a single run"
            for members in (saved["members"], own["members"])
        )
        raise ValueError(f"members: the state of {whose} is none of {mine}")
    zero = [0.0] * saved["members"] if saved["members"] else 0.0
    rest = {key: value for key, value in own.items() if key not in (*lambdas, "params")}
    given = {**rest, **dict.fromkeys(lambdas, zero), "decay_memory": None, **saved}
    schedules = spread(given["schedule"], 1)
    if CALLABLE in schedules:
        current = spread(own["schedule"], 1)
        if len(current) != len(schedules) or any(
            kept == CALLABLE and not callable(now)
            for kept, now in zip(schedules, current, strict=True)
        ):
            raise ValueError(
                "schedule: the state was saved with a function, which it cannot hold; give "
                "the function to the optimizer that loads it"
            )
        pairs = zip(schedules, current, strict=True)
        schedules = [now if kept == CALLABLE else kept for kept, now in pairs]
        given["schedule"] = schedules if own["members"] else schedules[0]
    return given
