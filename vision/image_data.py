"""Prepared images as a LightningDataModule, all of them on one device."""

import dataclasses
from pathlib import Path

import lightning
import torch

from vision.batches import TrainingBatches
from vision.config import Recipe
from vision.data.prepared import Prepared
from vision.images import DeviceImages, shuffled
from workload.position import Position


class ImageData(lightning.LightningDataModule):
    """The images of a recipe, moved to a device once.

    Args:
        recipe: its images, labels, crops and batches.
        folder: where images are prepared, `data`.
        seed: of the order, the crops and of shuffled labels.
        device: where they are to be.

    Raises:
        ConfigError: they are not prepared.
    """

    def __init__(self, recipe: Recipe, folder: Path, seed: int, device: torch.device) -> None:
        super().__init__()
        prepared = Prepared.open(recipe.images.folder(folder))
        images = prepared.read()
        self.classes = prepared.classes
        self.train = DeviceImages.of(images.train, prepared, recipe.crop, device)
        self.test = DeviceImages.of(images.test, prepared, 0, device)
        self.labels = self.train.labels
        if recipe.labels == "shuffled":
            self.labels = shuffled(self.train.labels, seed)
        self.position = Position()
        self.batches = TrainingBatches(
            len(self.train), recipe.batch_size, seed, self.position, device
        )

    @property
    def labelled(self) -> DeviceImages:
        """The training images with the labels that are trained on."""
        return dataclasses.replace(self.train, labels=self.labels)

    def train_dataloader(self) -> TrainingBatches:
        return self.batches
