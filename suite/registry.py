"""The workloads that are installed: the entry points of the group `wdbench.workloads`."""

import functools
from importlib import metadata
from typing import Any

from workload import contract
from workload.errors import UserError
from workload.wording import unknown

GROUP = "wdbench.workloads"

AnyWorkload = contract.Workload[Any, Any]
"""Any workload, whatever its recipe and machine."""


def names() -> tuple[str, ...]:
    """What they are called."""
    return tuple(_entries())


@functools.cache
def load(name: str) -> AnyWorkload:
    """The workload of this name. UserError where none is installed."""
    entry = _entries().get(name)
    if entry is None:
        raise UserError(unknown("workload", name, names()))
    workload: AnyWorkload = entry.load()
    return workload


@functools.cache
def _entries() -> dict[str, metadata.EntryPoint]:
    found = metadata.entry_points(group=GROUP)
    return {entry.name: entry for entry in sorted(found, key=lambda entry: entry.name)}
