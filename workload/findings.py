"""What a machine has and what is missing, as `doctor` says it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One line: `ok`, `note` (training works without) or `missing` (it does not)."""

    mark: Literal["ok", "note", "missing"]
    topic: str
    text: str


def importable(modules: Iterable[str]) -> Iterator[Finding]:
    """Whether what is installed can also be imported."""
    import importlib
    from importlib import metadata

    distributions = metadata.packages_distributions()
    for module in modules:
        try:
            importlib.import_module(module)
            version = metadata.version(distributions[module][0])
            yield Finding("ok", module, version)
        except Exception as error:  # a broken installation fails in any way it likes
            problem = " ".join(f"{type(error).__name__}: {error}".split())
            yield Finding("missing", module, f"{problem}; reinstall with `pip install wdbench`")


def installed(modules: Iterable[str], advice: str) -> Iterator[Finding]:
    """Whether the packages of an extra are there, without importing them, which takes seconds.

    Args:
        modules: their names.
        advice: what needs them, and how they are installed.
    """
    import importlib.util
    from importlib import metadata

    distributions = metadata.packages_distributions()
    for module in modules:
        if importlib.util.find_spec(module) is None:
            yield Finding("note", module, advice)
        else:
            yield Finding("ok", module, metadata.version(distributions[module][0]))
