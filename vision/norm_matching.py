"""Weights scaled after every epoch to the norms that another run had then (Figure 3)."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vision.config import Recipe
from vision.reference import norms_reference
from vision.workload import WORKLOAD
from workload.errors import ConfigError
from workload.member import Member
from workload.reference import find_run, require_alike

SHARED = ("data", "model", "width", "norm")
"""Keys in which a run is like the one whose norms it takes: those that give the weights a shape."""
_LAYER = "weights/layer/"


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
        if (first := rows[0]["epoch"]) != 1:
            raise ConfigError(
                f"match_norms: {run} is a branch with norms from epoch {first} on; those of all "
                "epochs are needed"
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
    """The folder of the run that `match_norms` names: itself, or that of a run beside this one.

    Args:
        recipe: with a `match_norms`.
        member: that is trained.
        own: folder of its run.

    Raises:
        ConfigError: there is none, or the folder is of a run with another network or seed.
    """
    reference = norms_reference(recipe, member)
    if reference is None:
        run = Path(recipe.match_norms)
        require_alike(WORKLOAD, "match_norms", run, recipe, member, SHARED)
        return run
    theirs, of = reference
    if (found := find_run(WORKLOAD, theirs, of, own)) is not None:
        return found
    raise ConfigError(
        f"match_norms: {recipe.match_norms!r} is no run's folder, and below "
        f"{own.parent.parent / of.name} there is no run of seed {member.seed} with decay_schedule "
        f"{theirs.decay_schedule} and the same recipe; train it first"
    )


def _norm(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float(tensor.double().square().sum()) for tensor in tensors))
