"""Windows of a prepared text: one pass, in an order from the seed."""

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lm.config import Recipe
from lm.data.prepared import Prepared
from lm.data.tokenise import Numbers
from lm.window_count import require_windows, windows_in
from workload import counter
from workload.errors import ConfigError
from workload.position import Position

SAMPLED = 1 << 16
"""Tokens of each part by which a text is known again."""


class WindowData:
    """The windows of a recipe's text.

    Window w begins at token w*context; see `windows_in`.

    Args:
        recipe: its text, context and batches.
        folder: where texts are prepared, `data`.
        seed: of the order.
        device: where the windows are to be.

    Raises:
        ConfigError: it is not prepared, or has fewer windows than training takes.
    """

    def __init__(self, recipe: Recipe, folder: Path, seed: int, device: torch.device) -> None:
        self._recipe, self._device = recipe, device
        self.prepared = Prepared.open(recipe.text, folder)
        require_windows(recipe, self.prepared)
        self._train, self._val = (self.prepared.read(part) for part in ("train", "val"))
        count = windows_in(self.prepared.train, recipe.context)
        order = counter.permutation(
            counter.stream(seed, counter.ORDER, 0), count, torch.device("cpu")
        )
        self._order = order[: recipe.updates * recipe.windows].clone().numpy()
        self.position = Position()
        self.batches = Rounds(self, self.position)
        self.fixed = {
            part: torch.split(self._take(tokens, _spread(len(tokens), recipe)), recipe.batch_size)
            for part, tokens in (("val", self._val), ("fit", self._train))
        }

    @functools.cached_property
    def digest(self) -> str:
        """Tells the text from others: of the numbers of its tokens, and of some of both parts."""
        found = hashlib.sha256()
        for tokens in (self._train, self._val):
            places = np.arange(SAMPLED) * len(tokens) // SAMPLED
            found.update(len(tokens).to_bytes(8, "little") + tokens[places].tobytes())
        return found.hexdigest()

    def update(self, number: int) -> Tensor:
        """The windows of an update, from 0: int64 [accumulate, batch, context + 1]."""
        recipe = self._recipe
        chosen = self._order[number * recipe.windows : (number + 1) * recipe.windows]
        shape = recipe.accumulate, recipe.batch_size, recipe.context + 1
        return self._take(self._train, chosen).view(shape)

    def _take(self, tokens: Numbers, windows: NDArray[np.int64]) -> Tensor:
        context = self._recipe.context
        places = windows[:, None] * context + np.arange(context + 1)
        found = tokens[places].astype(np.int64)
        if (largest := int(found.max())) >= self.prepared.vocabulary:
            raise ConfigError(
                f"data: {self.prepared.folder} holds token {largest:,}, and the vocabulary is "
                f"{self.prepared.vocabulary:,}; choose a larger --vocabulary"
            )
        return torch.from_numpy(found).to(self._device)


class Rounds:
    """The updates of the present round, from the present one on."""

    def __init__(self, data: WindowData, position: Position) -> None:
        self._data, self._position = data, position

    def __iter__(self) -> Iterator[Tensor]:
        per_round = self._data._recipe.updates_per_round
        end = (self._position.epoch + 1) * per_round
        for number in range(self._position.updates, end):
            yield self._data.update(number)


def _spread(tokens: int, recipe: Recipe) -> NDArray[np.int64]:
    """Fixed windows at equal distances over a text: always the same ones."""
    have = windows_in(tokens, recipe.context)
    count = min(recipe.evaluation_windows, have)
    return np.arange(count, dtype=np.int64) * have // count
