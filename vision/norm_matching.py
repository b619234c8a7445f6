"""Weights scaled after every epoch to the norms that another run had then (Figure 3)."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vision.config import Recipe
from workload.errors import ConfigError, UserError
from workload.identity import read_config
from workload.member import Member

_LAYER = "weights/layer/"
_FREE = ("epochs", "evaluate_every", "log_every", "match_norms", "match")


@dataclass(frozen=True)
class NormReference:
    """The norms of a run after each of its epochs.

    Attributes:
        run: its folder.
        whole: of all weights, by epoch from 1 on.
        layers: of each parameter by name, likewise.
    """

    run: Path
    whole: tuple[float, ...]
    layers: tuple[dict[str, float], ...]

    @classmethod
    def of(cls, run: Path, parameters: Iterable[str], epochs: int) -> "NormReference":
        """Read a run's log.

        Args:
            run: its folder.
            parameters: names of those of the network that is to be scaled.
            epochs: for how many norms are needed.

        Raises:
            ConfigError: it is of another architecture, or shorter.
        """
        log = run / "eval.jsonl"
        try:
            rows = [json.loads(line) for line in log.read_text().splitlines()]
        except (OSError, ValueError) as error:
            raise ConfigError(f"match_norms: {log} cannot be read: {error}") from error
        rows = [row for row in rows if row.get("weights/norm") is not None]
        if len(rows) < epochs:
            raise ConfigError(
                f"match_norms: {run} has norms of {len(rows)} epochs; {epochs} are needed"
            )
        layers = tuple(
            {key.removeprefix(_LAYER): v for key, v in row.items() if key.startswith(_LAYER)}
            for row in rows
        )
        missing = sorted(set(parameters) ^ set(layers[0]))
        if missing:
            raise ConfigError(
                f"match_norms: {run} is of another architecture: {missing[0]} is not in both"
            )
        return cls(run, tuple(row["weights/norm"] for row in rows), layers)

    @torch.no_grad()
    def apply(self, parameters: Sequence[tuple[str, Tensor]], epoch: int, *, layers: bool) -> None:
        """Scale parameters to the norms after an epoch, counted from 1.

        Args:
            parameters: names and tensors.
            epoch: which.
            layers: each parameter by a factor of its own; else all by one, so that the norm of all
                fits. Under batch normalisation either changes the network's function through its
                gains, shifts and last layer alone.
        """
        if not layers:
            factor = self.whole[epoch - 1] / _norm([parameter for _, parameter in parameters])
            for _, parameter in parameters:
                parameter.mul_(factor)
            return
        for name, parameter in parameters:
            if norm := _norm([parameter]):
                parameter.mul_(self.layers[epoch - 1][name] / norm)


def find_reference(recipe: Recipe, member: Member, own: Path) -> Path:
    """The folder of the run that a recipe names.

    `match_norms` is the folder itself, or `SCHEME-LAMBDA@SCHEDULE`, as `l2-5e-4@early:50epochs`:
    the run beside this one that has this decay, and seed and all else alike.

    Args:
        recipe: with a `match_norms`.
        member: that is trained.
        own: folder of its run.

    Raises:
        ConfigError: there is none.
    """
    if (given := Path(recipe.match_norms)).is_dir():
        return given
    name, _, schedule = recipe.match_norms.partition("@")
    wanted = replace(recipe, match_norms="", match="whole", decay_schedule=schedule or "always")
    places = own.parent.parent / name
    for folder in sorted(places.glob(f"seed{member.seed}-*")):
        try:
            config = read_config(folder)
        except UserError:
            continue
        if _alike(config["recipe"], wanted):
            return folder
    raise ConfigError(
        f"match_norms: {recipe.match_norms!r} is no run's folder, and below {places} there is no "
        f"run of seed {member.seed} with decay_schedule {wanted.decay_schedule} and the same "
        "recipe; train it first"
    )


def _alike(found: dict[str, Any], wanted: Recipe) -> bool:
    values = Recipe().values() | found
    keys = [key for key in wanted.values() if key not in (*_FREE, "data")]
    return values["data"] == wanted.images.name and all(
        values[key] == getattr(wanted, key) for key in keys
    )


def _norm(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float(tensor.double().square().sum()) for tensor in tensors))
