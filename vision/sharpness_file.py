"""What `wdbench sharpness` leaves beside a run. Imports no torch."""

import math
from pathlib import Path
from typing import Any, Literal

from workload.files import read_json

Noise = Literal["additive", "multiplicative"]
Reading = Literal["loss", "difference"]

FILE = "sharpness.json"
GAMMA = 0.1
"""The size of multiplicative noise that the paper takes."""
ADDITIVE_GAMMA = 0.01


def read_sharpness(run: Path) -> dict[str, Any] | None:
    """The numbers of a run; None where it has not been measured. UserError where damaged."""
    return read_json(run / FILE)


def value_at(found: dict[str, Any], kind: Noise, key: Reading) -> float | None:
    """A number at the size of noise that figures show; None where that was not measured."""
    gamma = GAMMA if kind == "multiplicative" else ADDITIVE_GAMMA
    for each in found[kind]:
        if math.isclose(each["gamma"], gamma) and each[key] is not None:
            return float(each[key])
    return None
