"""Labelled images as bytes, checked where they come in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workload.errors import ConfigError

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]

SPLITS = ("train", "test")
_CHOICE = 0x5EED  # of the subset, the same for every run


@dataclass(frozen=True)
class Split:
    """Images of equal size and their classes.

    Attributes:
        images: [N, H, W, 3] uint8, red, green, blue.
        labels: [N] int64, from 0.
    """

    images: Bytes
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, count: int) -> "Split":
        """`count` images, in their order: always the same, and part of every larger subset."""
        chosen = np.random.Generator(np.random.Philox(_CHOICE)).permutation(len(self))[:count]
        places = np.sort(chosen)
        return Split(self.images[places], self.labels[places])

    def pooled(self, factor: int) -> "Split":
        """Each square of `factor` x `factor` pixels as one: their mean, rounded half to even."""
        n, height, width, channels = self.images.shape
        squares = self.images.reshape(
            n, height // factor, factor, width // factor, factor, channels
        )
        # a part at a time: float64 takes eight times the bytes
        means = [np.rint(part.mean((2, 4))) for part in np.array_split(squares, n // 1000 + 1)]
        return Split(np.concatenate(means).astype(np.uint8), self.labels)


@dataclass(frozen=True)
class ImageSet:
    """Images to train on and to test on, and the names of their classes."""

    train: Split
    test: Split
    classes: tuple[str, ...]

    def splits(self) -> dict[str, Split]:
        return {"train": self.train, "test": self.test}


def read_split(path: Path) -> Split:
    """What an npz file holds: `images` uint8 [N, H, W, 3] and `labels`, whole numbers [N].

    Raises:
        ConfigError: it cannot be read, or holds something else; pickled objects are refused.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise ValueError("it is a single array, as npy files are")
        with loaded as file:
            images, labels = file["images"], file["labels"]
    except KeyError as error:
        raise ConfigError(
            f"{path} has no array {error.args[0].split()[0]}; it must hold images and labels"
        ) from error
    except Exception as error:  # a broken zip file fails in any way it likes
        raise ConfigError(f"{path} cannot be read as npz: {error}") from error
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ConfigError(
            f"{path}: images are {images.dtype} {list(images.shape)}; they must be uint8 "
            "[N, H, W, 3]"
        )
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise ConfigError(
            f"{path}: labels are {labels.dtype} {list(labels.shape)}; they must be whole numbers, "
            f"one per image: [{len(images)}]"
        )
    return Split(images, labels.astype(np.int64))


def write_split(path: Path, split: Split) -> None:
    """An npz file that `read_split` reads."""
    np.savez(path, images=split.images, labels=split.labels)


def check(images: ImageSet, where: str | Path) -> None:
    """Raise ConfigError where an empty split, sizes that differ or labels out of range stand."""
    size = images.train.images.shape[1:]
    for name, split in images.splits().items():
        if not len(split):
            raise ConfigError(f"{where}: the {name} split is empty")
        if split.images.shape[1:] != size:
            ours, theirs = _sides(split.images.shape[1:]), _sides(size)
            raise ConfigError(f"{where}: {name} images have {ours} pixels, train images {theirs}")
        lowest, highest = int(split.labels.min()), int(split.labels.max())
        if lowest < 0 or highest >= len(images.classes):
            raise ConfigError(
                f"{where}: the {name} split has labels from {lowest} to {highest}; with "
                f"{len(images.classes)} classes they must be from 0 to {len(images.classes) - 1}"
            )
    if len(images.classes) < 2:
        raise ConfigError(f"{where}: there is one class; 2 or more are needed")


def numbered(count: int) -> tuple[str, ...]:
    """Names of classes that have none."""
    return tuple(map(str, range(count)))


def _sides(shape: Sequence[int]) -> str:
    return f"{shape[0]} x {shape[1]}"
