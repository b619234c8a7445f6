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
    inside = (folder / "train").glob("*")
    return (folder / "train.npz").is_file() or any(
        path.is_dir() or path.suffix.lower() in ENDINGS for path in inside
    )


def files_of(folder: Path) -> list[Path]:
    """The files that `read_folder` reads, in order. ConfigError where there are none."""
    return [path for place in _places(folder).values() for path in _files(place)]


def read_folder(folder: Path, progress: StageProgress) -> ImageSet:
    """The images of a folder.

    Either `train.npz` and `test.npz`, see `read_split`, whose classes are numbers from 0 on; or
    `train/CLASS/*.png` and `test/CLASS/*.png` (or jpg and the like; `val` serves as `test`), as
    torchvision's ImageFolder has them: classes are sorted by name. Names that begin with a dot are
    left out. Every class has an image to train on.

    Raises:
        ConfigError: naming the file and what is wrong with it.
    """
    places = _places(folder)
    if places["train"].is_file():
        train, test = (read_split(places[name]) for name in SPLITS)
        images = ImageSet(train, test, _numbered(train, places["train"]))
    else:
        classes = tuple(sorted(path.name for path in _visible(places["train"]) if path.is_dir()))
        train, test = (_read_classes(places[name], classes, progress) for name in SPLITS)
        images = ImageSet(train, test, classes)
        for number in sorted(set(range(len(classes))) - set(train.labels.tolist())):
            raise ConfigError(
                f"{places['train'] / classes[number]} has no images ({', '.join(ENDINGS)}); every "
                "class needs some to train on"
            )
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


def _places(folder: Path) -> dict[str, Path]:
    """The npz file or the folder of each split."""
    endings = [ending for ending in (".npz", "") if (folder / f"train{ending}").exists()]
    if len(endings) == 2:
        raise ConfigError(f"{folder} has train.npz and a folder train: move one of them away")
    for ending in endings:
        for name in TEST_NAMES:
            if (test := folder / f"{name}{ending}").exists():
                return {"train": folder / f"train{ending}", "test": test}
    missing = [f"{name}{ending}" for ending in endings for name in TEST_NAMES] or ["train"]
    raise ConfigError(
        f"{folder} has no {' or '.join(missing)}; a folder of images holds train.npz and test.npz, "
        "or train/CLASS/*.png and test/CLASS/*.png"
    )


def _files(place: Path) -> list[Path]:
    """The files of a split, in order. ConfigError where one is none, or cannot be named in a
    record."""
    files = [place]
    if place.is_dir():
        inside = [path for each in _visible(place) if each.is_dir() for path in _visible(each)]
        files = sorted(path for path in inside if path.suffix.lower() in ENDINGS)
    for path in files:
        if not path.is_file():
            raise ConfigError(f"{path} is no file, or a link to nothing; move it away")
        try:
            str(path.absolute()).encode()
        except UnicodeEncodeError as error:
            raise ConfigError(f"{str(path)!r}: its name is not UTF-8; rename it") from error
    return files


def _visible(folder: Path) -> list[Path]:
    """What lies in a folder, but for what programs hide there."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def _numbered(train: Split, path: Path) -> tuple[str, ...]:
    """Classes whose names are their labels. ConfigError where those to train on leave a gap."""
    present = np.unique(train.labels)
    count = len(present)
    for wrong in present[(present < 0) | (present >= count)]:
        raise ConfigError(
            f"{path} has the label {wrong} among {count} different ones, which must be 0 to "
            f"{count - 1}: classes are numbered from 0 on, without a gap"
        )
    return numbered(count)


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
