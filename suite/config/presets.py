"""Presets: the YAML files of configs/<workload>, the lowest layer of every configuration."""

from suite.errors import UserError
from suite.provenance import SOURCE
from suite.wording import unknown

# Beside the packages, in the source as in an installation. Not found as a package: `configs` in
# the folder where a command is called would be one too.
CONFIGS = SOURCE / "configs"


def presets(workload: str) -> list[str]:
    """Names that --preset takes."""
    return sorted(file.stem for file in (CONFIGS / workload).glob("*.yaml"))


def preset_text(workload: str, name: str) -> str:
    """The YAML of a preset. UserError for one that does not exist."""
    names = presets(workload)
    if name not in names:
        raise UserError(unknown("preset", name, names))
    return (CONFIGS / workload / f"{name}.yaml").read_text(encoding="utf-8")
