"""A language model as a LightningModule."""

from typing import Any

import lightning
from torch import Tensor

from lm.config import Recipe
from lm.language_training import LanguageTraining
from lm.window_data import Rounds, WindowData
from workload.member import Member
from workload.network_module import NetworkModule


class LanguageModule(NetworkModule[Recipe], LanguageTraining):
    """One model for anybody's Trainer: `Trainer(max_epochs=recipe.rounds).fit(module)`.

    A round is an epoch of the Trainer's; see `NetworkModule`. `run lm` takes the same updates
    without a Trainer, whose import takes longer than all else until the first of them.

    Args:
        recipe: the recipe.
        member: scheme, lambda and seed.
        data: the windows, on the device that the module will be on.
    """

    def __init__(self, recipe: Recipe, member: Member, data: WindowData) -> None:
        lightning.LightningModule.__init__(self)
        LanguageTraining.__init__(self, recipe, member, data)
        self.automatic_optimization = False

    def train_dataloader(self) -> Rounds:
        return self.data.batches

    def differentiate(self, loss: Tensor) -> None:
        self.manual_backward(loss)

    def step(self) -> None:
        stepped: Any = self.optimizers()
        stepped.step()

    def training_step(self, batch: Tensor, index: int) -> None:
        """An update on windows int64 [accumulate, B, T + 1]."""
        self.update(batch)
