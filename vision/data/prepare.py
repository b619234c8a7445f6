"""From a publisher's archive, anybody's folder or code to the images that training opens.

    data/NAME/original/   the publisher's archive, as it is
    data/NAME/VARIANT/    train.npz, test.npz, images.json (`vision/data/prepared.py`)

Each folder is a stage (`workload/stages.py`): a finished one is not made again.
"""

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from vision.data import shapes
from vision.data.folder import files_of, read_folder
from vision.data.images import ImageSet, Split, check, write_split
from vision.data.prepared import EMBEDDED, FORMAT, KNOWN, ImageSpec, Prepared, image_set_name
from vision.data.published import PUBLISHED, Published
from workload.download import download, refuse
from workload.errors import ConfigError
from workload.progress import StageProgress
from workload.stages import create_stage, load_stage, lock_folder, sha256, write_record


def prepare(
    name_or_path: str,
    data_dir: Path,
    *,
    subset: int = 0,
    test_subset: int = 0,
    pool: int = 1,
    archive: Path | None = None,
    progress: StageProgress = lambda _stage, _done, _total: None,
) -> Prepared:
    """Prepare images and open them; at once where they are prepared already.

    Args:
        name_or_path: `cifar10`, `cifar100`, `tiny-imagenet`, `shapes`, or a folder (see
            `read_folder`).
        data_dir: where images are kept.
        subset: images to train on, 0 for all; see `Split.subset`.
        test_subset: images to test on, likewise.
        pool: side of the squares of pixels that become one; see `Split.pooled`.
        archive: the publisher's archive, instead of a download.
        progress: told the stage, how much is done, and of how much.

    Raises:
        ConfigError: one sentence on what is wrong with the input. Nothing half-made stays.
    """
    known = name_or_path in KNOWN
    spec = ImageSpec(name_or_path if known else _own_name(name_or_path), subset, test_subset, pool)
    if archive is not None and name_or_path not in PUBLISHED:
        raise ConfigError(f"archive: goes with {' or '.join(PUBLISHED)} alone")
    folder = spec.folder(data_dir)
    with lock_folder(folder.parent):
        inputs, read = _source(name_or_path, folder.parent, archive, progress)
        inputs |= {"subset": subset, "test_subset": test_subset, "pool": pool}
        if load_stage(folder, inputs) is None:
            _check_folder(name_or_path, folder.parent, inputs)
            _make(spec, folder, inputs, read(), None if known else Path(name_or_path))
    return Prepared.open(folder)


def _own_name(path: str) -> str:
    folder, name = Path(path), image_set_name(path)
    if not folder.is_dir():
        raise ConfigError(f"{path!r} is none of {', '.join(KNOWN)} and no folder of images")
    if name in KNOWN or not name:
        raise ConfigError(f"{path}: {name!r} cannot name your own images; rename the folder")
    return name


def _source(
    name_or_path: str, root: Path, archive: Path | None, progress: StageProgress
) -> tuple[dict[str, Any], Callable[[], ImageSet]]:
    """What the images are made from, to tell whether it has changed, and what reads them."""
    if name_or_path in PUBLISHED:
        published = PUBLISHED[name_or_path]
        file = _original(published, root, archive, progress)
        return {"md5": published.md5}, lambda: published.read(file, progress)
    if name_or_path == EMBEDDED:
        return {"shapes": shapes.VERSION}, shapes.shapes
    folder = Path(name_or_path)
    files = files_of(folder)
    content = {str(file.relative_to(folder)): sha256(file) for file in files}
    return {"files": content}, lambda: read_folder(folder, progress)


def _original(
    published: Published, root: Path, archive: Path | None, progress: StageProgress
) -> Path:
    """The publisher's archive in `data/NAME/original`, from the user or from the publisher."""
    folder, inputs = root / "original", {"md5": published.md5}
    if load_stage(folder, inputs) is not None:
        return folder / published.file
    if archive is not None:
        if not archive.is_file():
            raise ConfigError(f"archive: {archive} is no file")
        if problem := published.problem(archive):
            raise ConfigError(f"archive: {archive}: {problem}")
        with create_stage(folder, inputs) as (new, _):
            shutil.copyfile(archive, new / published.file)
        return folder / published.file
    path = root / "download" / published.file
    try:
        if not path.exists():
            download(published.url, path, progress)
        if problem := published.problem(path):
            raise refuse(published.url, path, problem)
    finally:
        with suppress(OSError):  # not empty
            path.parent.rmdir()
    with create_stage(folder, inputs) as (new, _):  # a failure in here deletes `new`
        try:
            (new / published.file).hardlink_to(path)
        except OSError:  # a file system without such links
            shutil.copyfile(path, new / published.file)
    path.unlink()
    path.parent.rmdir()
    return folder / published.file


def _check_folder(name_or_path: str, root: Path, inputs: Mapping[str, Any]) -> None:
    """Raise ConfigError where another folder of the same last name was prepared here before, be it
    with another subset or pool."""
    for variant in sorted(path for path in root.iterdir() if path.is_dir()):
        before = load_stage(variant)
        known = before and before["report"].get("folder")
        if not known or not Path(known).is_dir() or Path(name_or_path).samefile(known):
            continue
        if before and before["inputs"].get("files") != inputs.get("files"):
            raise ConfigError(
                f"{variant} was prepared from {known}, which holds other images; rename "
                f"{name_or_path}, or choose another --data-dir"
            )


def _make(
    spec: ImageSpec,
    folder: Path,
    inputs: Mapping[str, Any],
    images: ImageSet,
    own: Path | None,
) -> None:
    """Make the stage that is the prepared images."""
    wanted = {"train": ("subset", spec.subset), "test": ("test_subset", spec.test_subset)}
    height, width = images.train.images.shape[1:3]
    if height % spec.pool or width % spec.pool:
        raise ConfigError(f"pool: {spec.pool} does not divide the {height} x {width} pixels")
    splits = {}
    for name, split in images.splits().items():
        key, count = wanted[name]
        if count > len(split):
            raise ConfigError(
                f"{key}: {count:,} is more than the {len(split):,} {name} images of {spec.name}"
            )
        chosen = split.subset(count) if count else split
        splits[name] = chosen.pooled(spec.pool) if spec.pool > 1 else chosen
    check(ImageSet(splits["train"], splits["test"], images.classes), spec.name)
    mean, std = _moments(splits["train"], spec.name)
    with create_stage(folder, inputs) as (new, report):
        if own is not None:
            report["folder"] = str(own.absolute())
        for name, split in splits.items():
            write_split(new / f"{name}.npz", split)
        content = {
            "format": FORMAT,
            "name": spec.name,
            "classes": images.classes,
            "side": splits["train"].images.shape[1:3],
            "train": len(splits["train"]),
            "test": len(splits["test"]),
            "mean": mean,
            "std": std,
        }
        write_record(new / "images.json", content)


def _moments(split: Split, name: str) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of red, green and blue, exact sums of bytes."""
    counts = [np.bincount(split.images[..., c].ravel(), minlength=256) for c in range(3)]
    values = np.arange(256)
    means = [float((counts[c] * values).sum() / counts[c].sum()) for c in range(3)]
    variances = [
        float((counts[c] * (values - means[c]) ** 2).sum() / counts[c].sum()) for c in range(3)
    ]
    if not all(variances):
        raise ConfigError(f"{name}: all training images have one and the same colour value")
    return means, [variance**0.5 for variance in variances]
