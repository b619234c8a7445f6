"""The workloads that are installed: the entry points of the group `wdbench.workloads`."""

import functools
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
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
    """The workload of this name. UserError where none is installed, or what is there is none."""
    if name not in _entries():
        raise UserError(unknown("workload", name, names()))
    place = _entries()[name]
    module, _, attribute = place.partition(":")
    try:
        workload = getattr(import_module(module), attribute)
    except Exception as error:  # whatever somebody's package may raise when it is imported
        problem = f"{type(error).__name__}: {error}"
        raise UserError(f"workload {name}: {place} cannot be loaded: {problem}") from error
    if not isinstance(workload, contract.Workload):
        raise UserError(f"workload {name}: {place} is no workload.contract.Workload")
    if missing := [key for key in contract.REQUIRED if not hasattr(workload, key)]:
        raise UserError(f"workload {name}: {place} does not say {', '.join(missing)}")
    if name != workload.NAME:
        raise UserError(f"workload {name}: {place} has another NAME, {workload.NAME}")
    return workload


@functools.cache
def _entries() -> dict[str, str]:
    """By name, where the object is: `module:attribute`.

    Read from the files themselves, as the specification of entry points has them: importing
    importlib.metadata and asking it takes 50 ms of CPU time, more than all else that `--help` does.
    """
    found: dict[str, str] = {}
    for folder in sys.path:
        for pattern in ("*.dist-info", "*.egg-info"):
            for file in Path(folder).glob(f"{pattern}/entry_points.txt"):
                for name, target in _group(file.read_text(encoding="utf-8")):
                    found.setdefault(name, target)  # as imports: the first on the path
    return dict(sorted(found.items()))


def _group(text: str) -> Iterator[tuple[str, str]]:
    """The lines `name = module:attribute` of our group in an entry_points.txt."""
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]").strip()
        elif section == GROUP and "=" in line and not line.startswith(("#", ";")):
            name, _, target = line.partition("=")
            yield name.strip(), target.partition("[")[0].replace(" ", "")
