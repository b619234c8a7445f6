"""The training of one network as a LightningModule."""

from typing import Any

import lightning
from lightning.pytorch.utilities.types import OptimizerLRScheduler

from workload.network_training import NetworkTraining, RecipeT


class NetworkModule(lightning.LightningModule, NetworkTraining[RecipeT]):
    """One network for anybody's Trainer, after each of whose epochs a callback calls `end_epoch`.

    Its precision is the recipe's: the Trainer's stays `32-true`. The Trainer's loggers get the rows
    as well. What derives from it calls the constructors of both, this one's first.
    """

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return {
            "optimizer": self.optimizer,
            "lr_scheduler": {"scheduler": self.scheduler, "interval": "step"},
        }

    def on_train_epoch_start(self) -> None:
        self.model.train()

    def log_row(self, row: dict[str, Any]) -> None:
        """Make it the row that is due, and tell the Trainer's loggers."""
        super().log_row(row)
        figures = {key: float(value) for key, value in row.items()}
        for logger in self.loggers:
            logger.log_metrics(figures, self.position.updates)
