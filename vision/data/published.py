"""The published image sets: where their archives come from, and the images in them.

Only archives of plain files are read, never pickles, which run what they like. They are read in
place, not unpacked.
"""

import hashlib
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from vision.data.folder import decode
from vision.data.images import ImageSet, Split, check
from workload.errors import ConfigError
from workload.progress import StageProgress

SIDE, PIXELS = 32, 3 * 32 * 32  # of CIFAR


@dataclass(frozen=True)
class Published:
    """An image set with a publisher.

    Attributes:
        url: of the archive.
        md5: of the archive, as the publisher has it.
        read: the images in an archive.
    """

    url: str
    md5: str
    read: Callable[[Path, StageProgress], ImageSet]

    @property
    def file(self) -> str:
        """The archive's name."""
        return self.url.rpartition("/")[2]

    def problem(self, archive: Path) -> str:
        """Why a file is not the published archive; nothing where it is."""
        with archive.open("rb") as stream:
            found = hashlib.file_digest(stream, "md5").hexdigest()
        if found == self.md5:
            return ""
        return f"it is not the published {self.file}: md5 {found}, published is {self.md5}"


def read_cifar10(archive: Path, progress: StageProgress) -> ImageSet:
    """Records of a byte of label and 3,072 of image; five files to train on, one to test on."""
    names = [f"data_batch_{number}.bin" for number in range(1, 6)]
    files = _members(archive, [*names, "test_batch.bin", "batches.meta.txt"], progress)
    train = _records(b"".join(files[name] for name in names), 1, archive)
    test = _records(files["test_batch.bin"], 1, archive)
    images = ImageSet(train, test, _names(files["batches.meta.txt"]))
    check(images, archive)
    return images


def read_cifar100(archive: Path, progress: StageProgress) -> ImageSet:
    """Records of two bytes of label, of which the second, finer one counts, and 3,072 of image."""
    files = _members(archive, ["train.bin", "test.bin", "fine_label_names.txt"], progress)
    train, test = (_records(files[f"{name}.bin"], 2, archive) for name in ("train", "test"))
    images = ImageSet(train, test, _names(files["fine_label_names.txt"]))
    check(images, archive)
    return images


def read_tiny_imagenet(archive: Path, progress: StageProgress) -> ImageSet:
    """200 classes of 64 x 64 JPEGs. Its test labels are secret: the validation images test.

    Classes are WordNet's numbers, sorted, as torchvision's ImageFolder would have them.
    """
    root = "tiny-imagenet-200"
    try:
        with zipfile.ZipFile(archive) as file:
            classes = tuple(sorted(file.read(f"{root}/wnids.txt").decode().split()))
            table = file.read(f"{root}/val/val_annotations.txt").decode().splitlines()
            validation = {line.split("\t")[0]: line.split("\t")[1] for line in table if line}
            names = [PurePosixPath(name) for name in sorted(file.namelist())]
            pictures = [name for name in names if name.suffix == ".JPEG"]
            train = [path for path in pictures if path.parts[1] == "train"]
            test = [path for path in pictures if path.parts[1] == "val"]
            images = ImageSet(
                _jpegs(file, train, [path.parts[2] for path in train], classes, progress),
                _jpegs(file, test, [validation[path.name] for path in test], classes, progress),
                classes,
            )
    except (zipfile.BadZipFile, KeyError, IndexError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{archive} cannot be read as {root}: {error}") from error
    check(images, archive)
    return images


def _members(archive: Path, wanted: list[str], progress: StageProgress) -> dict[str, bytes]:
    """The contents of the files of these names in a tar archive."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                if member.isfile() and name in wanted:
                    stream = tar.extractfile(member)
                    assert stream is not None
                    found[name] = stream.read()
                    progress(f"read {archive.name}", len(found), len(wanted))
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise ConfigError(f"{archive} cannot be read as an archive: {error}") from error
    for name in wanted:
        if name not in found:
            raise ConfigError(f"{archive} has no {name}: it is not laid out like the published one")
    return found


def _records(content: bytes, label_bytes: int, archive: Path) -> Split:
    """CIFAR's records: labels, then 1,024 bytes each of red, green and blue, row by row."""
    length = label_bytes + PIXELS
    if len(content) % length:
        raise ConfigError(f"{archive}: {len(content):,} bytes are no whole records of {length:,}")
    table = np.frombuffer(content, np.uint8).reshape(-1, length)
    planes = table[:, label_bytes:].reshape(-1, 3, SIDE, SIDE)
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    return Split(images, table[:, label_bytes - 1].astype(np.int64))


def _names(content: bytes) -> tuple[str, ...]:
    return tuple(content.decode().split())


def _jpegs(
    file: zipfile.ZipFile,
    paths: list[PurePosixPath],
    classes: list[str],
    order: tuple[str, ...],
    progress: StageProgress,
) -> Split:
    numbers = {name: number for number, name in enumerate(order)}
    images = np.empty((len(paths), 64, 64, 3), np.uint8)
    for i, path in enumerate(paths):
        images[i] = decode(io.BytesIO(file.read(str(path))), str(path), (64, 64))
        progress(f"read {path.parts[1]}", i + 1, len(paths))
    return Split(images, np.array([numbers[name] for name in classes], np.int64))


_TORONTO = "https://www.cs.toronto.edu/~kriz"
PUBLISHED = {
    "cifar10": Published(
        f"{_TORONTO}/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", read_cifar10
    ),
    "cifar100": Published(
        f"{_TORONTO}/cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8", read_cifar100
    ),
    "tiny-imagenet": Published(
        "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        "90528d7ca1a48142e341f4ef8d21d0de",
        read_tiny_imagenet,
    ),
}
