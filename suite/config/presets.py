"""Presets: the YAML files of configs/<workload>, the lowest layer of every configuration."""

from pathlib import Path

import configs
from suite.errors import UserError
from suite.wording import unknown

CONFIGS = Path(configs.__file__).parent


def presets(workload: str) -> list[str]:
    """Names that --preset takes."""
    return sorted(file.stem for file in (CONFIGS / workload).glob("*.yaml"))


def preset_text(workload: str, name: str) -> str:
    """The YAML of a preset. UserError for one that does not exist."""
    names = presets(workload)
    if name not in names:
        raise UserError(unknown("preset", name, names))
    return (CONFIGS / workload / f"{name}.yaml").read_text(encoding="utf-8")
