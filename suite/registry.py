"""The workloads that are installed: the entry points of the group `wdbench.workloads`."""

import functools
from importlib import metadata
from typing import Any

from workload import contract
from workload.errors import UserError
from workload.wording import unknown

GROUP = "wdbench.workloads"

Workload = contract.Workload[Any, Any]
"""Any workload, whatever its recipe and machine."""


def names() -> tuple[str, ...]:
    """What they are called."""
    return tuple(_entries())


@functools.cache
def load(name: str) -> Workload:
    """The workload of this name. UserError where none is installed, or what is there is none."""
    entry = _entries().get(name)
    if entry is None:
        raise UserError(unknown("workload", name, names()))
    try:
        workload = entry.load()
    except Exception as error:  # whatever somebody's package may raise when it is imported
        problem = f"{type(error).__name__}: {error}"
        raise UserError(f"workload {name}: {entry.value} cannot be loaded: {problem}") from error
    if not isinstance(workload, contract.Workload):
        raise UserError(f"workload {name}: {entry.value} is no workload.contract.Workload")
    if missing := [key for key in contract.REQUIRED if not hasattr(workload, key)]:
        raise UserError(f"workload {name}: {entry.value} does not say {', '.join(missing)}")
    if name != workload.NAME:
        raise UserError(f"workload {name}: {entry.value} has another NAME, {workload.NAME}")
    return workload


@functools.cache
def _entries() -> dict[str, metadata.EntryPoint]:
    found = metadata.entry_points(group=GROUP)
    return {entry.name: entry for entry in sorted(found, key=lambda entry: entry.name)}
