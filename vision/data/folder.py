"""Anybody's images: a folder as torchvision has it, or two npz files."""

from pathlib import Path

import numpy as np

from vision.data.images import SPLITS, ImageSet, Split, check, numbered, read_split
from workload.errors import ConfigError
from workload.progress import StageProgress

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".webp")
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")
"""Pillow's modes with at most a byte per channel, which converting to RGB keeps."""
TEST_NAMES = ("test", "val", "valid")


def is_image_folder(folder: Path) -> bool:
    """Whether a folder is laid out like images."""
    return (folder / "train.npz").is_file() or any((folder / "train").glob("*/"))


def files_of(folder: Path) -> list[Path]:
    """The files that `read_folder` reads, in order. ConfigError where there are none."""
    return [path for name in SPLITS for path in _files(_place(folder, name))]


def read_folder(folder: Path, progress: StageProgress) -> ImageSet:
    """The images of a folder.

    Either `train.npz` and `test.npz`, see `read_split`, whose classes are numbers; or
    `train/CLASS/*.png` and `test/CLASS/*.png` (or jpg and the like; `val` serves as `test`), as
    torchvision's ImageFolder has them: classes are sorted by name.

    Raises:
        ConfigError: naming the file and what is wrong with it.
    """
    places = {name: _place(folder, name) for name in SPLITS}
    if places["train"].is_file():
        train, test = (read_split(places[name]) for name in SPLITS)
        highest = max((int(split.labels.max()) for split in (train, test) if len(split)), default=0)
        images = ImageSet(train, test, numbered(highest + 1))
    else:
        classes = tuple(sorted(path.name for path in places["train"].iterdir() if path.is_dir()))
        train, test = (_read_classes(places[name], classes, progress) for name in SPLITS)
        images = ImageSet(train, test, classes)
    check(images, folder)
    return images


def decode(stream: object, name: str, size: tuple[int, int] | None) -> np.ndarray:
    """An image file as [H, W, 3] uint8; grey ones get three equal channels.

    Args:
        stream: an open binary file or a path.
        name: what errors call it.
        size: H and W that it must have.
    """
    from PIL import Image

    try:
        with Image.open(stream) as image:  # type: ignore[arg-type]
            if image.mode not in MODES:
                raise ValueError(
                    f"its pixels are {image.mode}, which is not one of {', '.join(MODES)}; "
                    "convert it to 8 bits per channel"
                )
            pixels = np.asarray(image.convert("RGB"))
    except Exception as error:  # Pillow's plugins fail in many ways
        raise ConfigError(f"{name} cannot be read as an image: {error}") from error
    if size is not None and pixels.shape[:2] != size:
        raise ConfigError(
            f"{name} has {pixels.shape[0]} x {pixels.shape[1]} pixels, the images before it "
            f"{size[0]} x {size[1]}; all must be equal"
        )
    return pixels


def _place(folder: Path, split: str) -> Path:
    """The npz file or the folder of a split."""
    names = ("train",) if split == "train" else TEST_NAMES
    for ending in (".npz", ""):
        for name in names:
            place = folder / f"{name}{ending}"
            if place.exists():
                return place
    raise ConfigError(
        f"{folder} has no {' or '.join(names)}; a folder of images holds train.npz and test.npz, "
        "or train/CLASS/*.png and test/CLASS/*.png"
    )


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return sorted(path for path in place.glob("*/*") if path.suffix.lower() in ENDINGS)


def _read_classes(place: Path, classes: tuple[str, ...], progress: StageProgress) -> Split:
    files = _files(place)
    foreign = {path.parent.name for path in files} - set(classes)
    if foreign:
        raise ConfigError(f"{place} has the class {min(foreign)!r}, which train has not")
    if not files:
        raise ConfigError(f"{place} has no images in folders of classes ({', '.join(ENDINGS)})")
    numbers = {name: number for number, name in enumerate(classes)}
    first = decode(files[0], str(files[0]), None)
    images = np.empty((len(files), *first.shape), np.uint8)
    for i, path in enumerate(files):
        images[i] = decode(path, str(path), first.shape[:2])
        progress(f"read {place.name}", i + 1, len(files))
    labels = np.array([numbers[path.parent.name] for path in files], np.int64)
    return Split(images, labels)
