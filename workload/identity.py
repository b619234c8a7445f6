"""What a run is: its config.json, and what of that names its directory.

config.json keeps every key, `{format, workload, recipe, member}`. The identity is what of it
decides a result: the keys unlike their defaults, less those that only say how long a run is and how
often it is looked at. So a new key whose default means "as before" changes no name, and a run can
be made longer. A default is never changed without raising FORMAT.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workload.contract import MachineT, RecipeT, Workload
from workload.errors import UserError
from workload.files import read_json
from workload.member import Member

FORMAT = 1

Config = dict[str, Any]


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Eight hexadecimal digits that equal values share."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:8]


def config_of(workload: Workload[RecipeT, MachineT], recipe: RecipeT, member: Member) -> Config:
    """What config.json says of a member that is trained with a recipe."""
    return {
        "format": FORMAT,
        "workload": workload.NAME,
        "recipe": workload.resolved(recipe),
        "member": asdict(member),
    }


def read_config(run: Path) -> Config:
    """The configuration of a run on disk, as it stands there.

    Raises:
        UserError: there is none, it is damaged, or another version's.
    """
    config = read_json(run / "config.json")
    if config is None:
        raise UserError(f"{run} is no run directory: it has no config.json")
    if config.get("format") != FORMAT:
        raise UserError(f"{run} has format {config.get('format')}; this version reads {FORMAT}")
    for key in ("recipe", "member"):
        if not isinstance(config.get(key), dict):
            raise UserError(f"{run / 'config.json'} is damaged: it has no {key}")
    return config


def completed(workload: Workload[RecipeT, MachineT], config: Config) -> Config:
    """A configuration with the default of every key of the recipe that it lacks."""
    return {**config, "recipe": _defaults(workload) | config["recipe"]}


def identity(workload: Workload[RecipeT, MachineT], config: Config) -> Config:
    """What of a configuration decides the result: equal for directories of the same run."""
    recipe = completed(workload, config)["recipe"]
    defaults, free = _defaults(workload), workload.free_keys(recipe)
    own = {
        key: value
        for key, value in recipe.items()
        if key not in free and (key not in defaults or value != defaults[key])
    }
    return {**config, "recipe": own}


def same_run(workload: Workload[RecipeT, MachineT], one: Config, other: Mapping[str, Any]) -> bool:
    """Whether what a config.json holds, `other`, is of the run of the configuration `one`."""
    if one == other:
        return True
    if other.get("format") != FORMAT or not isinstance(other.get("recipe"), dict):
        return False
    return identity(workload, one) == identity(workload, dict(other))


def _defaults(workload: Workload[RecipeT, MachineT]) -> dict[str, Any]:
    return workload.resolved(workload.Recipe())
