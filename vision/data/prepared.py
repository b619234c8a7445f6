"""Prepared images on disk: what `wdbench prepare` leaves and training opens. Imports no torch."""

import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision.data.images import ImageSet, read_split
from vision.data.published import PUBLISHED
from workload.errors import ConfigError
from workload.stages import load_stage

FORMAT = 1
EMBEDDED = "shapes"
KNOWN = (*PUBLISHED, EMBEDDED)


@dataclass(frozen=True)
class ImageSpec:
    """Which images, and what of them.

    Attributes:
        name: `cifar10` and the like, `shapes`, or the last name of anybody's folder.
        subset: images to train on, 0 for all.
        test_subset: images to test on, 0 for all.
        pool: side of the squares of pixels that become one.
    """

    name: str
    subset: int = 0
    test_subset: int = 0
    pool: int = 1

    def __post_init__(self) -> None:
        for key in ("subset", "test_subset"):
            if getattr(self, key) < 0:
                raise ConfigError(f"{key}: {getattr(self, key)} is negative; 0 takes all images")
        if self.pool < 1:
            raise ConfigError(f"pool: {self.pool} is no number of pixels, 1 or more")

    @property
    def variant(self) -> str:
        """Its folder's name: `all`, or e.g. `subset-4000-pool-2`."""
        parts = [
            f"{key}-{value}"
            for key, value, usual in (
                ("subset", self.subset, 0),
                ("test", self.test_subset, 0),
                ("pool", self.pool, 1),
            )
            if value != usual
        ]
        return "-".join(parts) or "all"

    def folder(self, data_dir: Path) -> Path:
        """Where it is kept: `data/cifar10/subset-4000-pool-2`."""
        return data_dir / self.name / self.variant

    def command(self, data_dir: Path, source: str) -> str:
        """What prepares it."""
        words = ["wdbench", "prepare", source]
        for flag, value, usual in (
            ("--subset", self.subset, 0),
            ("--test-subset", self.test_subset, 0),
            ("--pool", self.pool, 1),
        ):
            if value != usual:
                words += [flag, str(value)]
        if data_dir != Path("data"):
            words += ["--data-dir", str(data_dir)]
        return shlex.join(words)


def image_set_name(data: str) -> str:
    """The image set's own name; of a user's folder the last one of its path, also for `.`."""
    return Path(os.path.abspath(data)).name


@dataclass(frozen=True)
class Prepared:
    """What is known of prepared images before they are read.

    Attributes:
        folder: with train.npz and test.npz.
        classes: their names.
        side: height and width of an image.
        train, test: numbers of images.
        mean, std: of red, green and blue over the training images, in bytes, 0 to 255.
    """

    folder: Path
    classes: tuple[str, ...]
    side: tuple[int, int]
    train: int
    test: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def open(cls, folder: Path) -> "Prepared":
        """Read what is in a folder.

        Raises:
            ConfigError: nothing is prepared there, or a file is not the one that was written.
        """
        record = folder / "images.json"
        if not record.exists():
            raise ConfigError(f"data: nothing is prepared in {folder}")
        if load_stage(folder) is None:
            raise ConfigError(
                f"{folder} is not what was prepared; move it away and prepare it again"
            )
        content: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ConfigError(
                f"{record} has format {content['format']}; this version reads {FORMAT}"
            )
        red, green, blue = content["mean"]
        return cls(
            folder=folder,
            classes=tuple(content["classes"]),
            side=(content["side"][0], content["side"][1]),
            train=content["train"],
            test=content["test"],
            mean=(red, green, blue),
            std=(content["std"][0], content["std"][1], content["std"][2]),
        )

    def read(self) -> ImageSet:
        """The images."""
        train, test = (read_split(self.folder / f"{name}.npz") for name in ("train", "test"))
        return ImageSet(train, test, self.classes)
