"""A run's agent as its checkpoint has it, for playing: no optimizer, no replay."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch

from rl.config import NEWEST, PREVIOUS, Recipe
from rl.kept_weights import kept_names, kept_state
from rl.member_checkpoint import TrainedState, trained_state
from rl.network import Weights, q_values
from workload.errors import CheckpointError, UserError
from workload.identity import Config


@dataclass(frozen=True)
class TrainedAgent:
    """Networks that choose actions.

    Attributes:
        recipe: the run's.
        state: what was read, and where in its training that stood.
    """

    recipe: Recipe
    state: TrainedState
    _weights: Weights
    _device: torch.device

    @classmethod
    def load(
        cls, run: Path, config: Config, device: torch.device, checkpoint: str = NEWEST
    ) -> Self:
        """The agent of a run directory, in the precision that it was trained in.

        Args:
            run: the directory.
            config: its config.json.
            device: where it is to compute.
            checkpoint: NEWEST, PREVIOUS, or what the run has kept: BEST or an iteration's number.

        Raises:
            UserError: it is no RL run, another version's, has no readable checkpoint, or diverged.
        """
        if config["workload"] != "rl":
            raise UserError(f"{run} is no rl run: there is no agent that plays")
        try:
            recipe = Recipe(**config["recipe"])
        except TypeError as error:
            raise UserError(f"{run} was made by another version: {error}") from error
        try:
            if checkpoint in (NEWEST, PREVIOUS):
                state = trained_state(run, previous=checkpoint == PREVIOUS)
            else:
                state = kept_state(run, checkpoint)
        except CheckpointError as error:
            kept = kept_names(run)
            way = (
                f"--checkpoint {' or '.join(kept)} plays with weights that it has kept"
                if kept
                else "an agent plays from its first checkpoint on"
            )
            raise UserError(f"{error.path}: {error.problem}; {way}") from error
        if not all(torch.isfinite(value).all() for value in state.parameters.values()):
            raise UserError(f"{run} has diverged: its weights are no finite numbers")
        dtype = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
        stacked = {name: value.unsqueeze(0).to(device) for name, value in state.parameters.items()}
        return cls(recipe, state, Weights(stacked, dtype), device)

    @torch.no_grad()
    def greedy(self, observations: np.ndarray) -> np.ndarray:
        """argmax_a Q(s, a), [E] int64, of observations [E, 4, 84, 84] uint8."""
        frames = torch.from_numpy(observations).to(self._device).unsqueeze(0)
        best: np.ndarray = q_values(self._weights.values, frames)[0].argmax(1).cpu().numpy()
        return best
