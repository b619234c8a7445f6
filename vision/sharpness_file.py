"""What `wdbench sharpness` leaves beside a run. Imports no torch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workload.errors import DAMAGE, UserError
from workload.files import read_json
from workload.keeping import kept_folder
from workload.output import warn_once

if TYPE_CHECKING:
    from workload.exhibits.record import Record

Noise = Literal["additive", "multiplicative"]
Reading = Literal["loss", "difference"]

GAMMA = 0.1
"""The size of multiplicative noise that the paper takes."""
ADDITIVE_GAMMA = 0.01
DRAWS, PROBES = 24, 10
"""How many draws of noise a measure is a mean of, and probes a trace."""


def sharpness_path(run: Path, epoch: int | None = None) -> Path:
    """The file of a run's newest weights, or of those of a kept epoch."""
    return run / "sharpness.json" if epoch is None else kept_folder(run) / f"{epoch:04d}.json"


def read_sharpness(run: Path, epoch: int | None = None) -> dict[str, Any] | None:
    """The numbers of a run; None where it has not been measured. UserError where damaged."""
    return read_json(sharpness_path(run, epoch))


def final_sharpness(record: Record) -> dict[str, Any] | None:
    """The numbers of the weights that a finished run ended with; None where it has not been
    measured since, and where they are damaged, which is told."""
    try:
        found = read_sharpness(record.path)
        if found is None or found["epoch"] != record.length:
            return None
        _check(found)
        return found
    except (UserError, *DAMAGE) as error:
        warn_once(f"left out: {sharpness_path(record.path)}: {error}")
        return None


def _check(found: dict[str, Any]) -> None:
    """Raise one of DAMAGE unless every number is there that is read."""
    for number in (found["loss"], found["keskar"]):
        float(number)
    for name in ("top", "bottom", "trace"):
        float(found[name]["value"])
    for kind in ("multiplicative", "additive"):
        for each in found[kind]:
            float(each["gamma"])
            for key in ("loss", "difference"):
                float(each[key] or 0)  # null where it was not finite


def value_at(found: dict[str, Any], kind: Noise, key: Reading) -> float | None:
    """A number at the size of noise that figures show; None where that was not measured."""
    gamma = GAMMA if kind == "multiplicative" else ADDITIVE_GAMMA
    for each in found[kind]:
        if math.isclose(each["gamma"], gamma) and each[key] is not None:
            return float(each[key])
    return None
