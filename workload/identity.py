"""What a run is called and what its config.json says: `{format, workload, recipe, member}`."""

import json
from pathlib import Path
from typing import Any

from workload.errors import UserError
from workload.files import read_json

FORMAT = 1


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def read_config(run: Path) -> dict[str, Any]:
    """The configuration of a run on disk.

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
