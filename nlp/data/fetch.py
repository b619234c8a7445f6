"""A published corpus's files in `data/NAME/original/`, from the publisher or from the user."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from nlp.data.archive import collect, extract, unpack
from nlp.data.download import download, refuse
from nlp.data.sources import PUBLISHED, PublishedCorpus
from nlp.data.stages import create_stage, load_stage, sha256, sha256_of_files
from workload.errors import ConfigError
from workload.progress import StageProgress


def fetch(name: str, root: Path, archive: Path | None, progress: StageProgress) -> Path:
    """The folder with a published corpus's files, all plain.

    Args:
        name: `iwslt14` or `multi30k`.
        root: the corpus's folder, `data/NAME`.
        archive: the publisher's archive or a folder with its files; None takes what is there
            already, and downloads otherwise.

    Raises:
        ConfigError: the download or archive is not what it must be.
    """
    published, folder = PUBLISHED[name], root / "original"
    if archive is not None:
        if not archive.exists():
            raise ConfigError(f"archive: {archive} does not exist")
        return _from_archive(published, archive, folder)
    if load_stage(folder) is None:
        _from_publisher(published, root / "download", folder, progress)
    return folder


def _from_archive(published: PublishedCorpus, archive: Path, folder: Path) -> Path:
    if archive.is_dir():
        inputs: dict[str, Any] = sha256_of_files(
            sorted(path for path in archive.rglob("*") if path.name.removesuffix(".gz") in
                   published.files and path.is_file())
        )  # fmt: skip
    else:
        inputs = {"archive": sha256(archive)}
    if load_stage(folder, inputs) is None:
        with create_stage(folder, inputs) as (new, _):
            (collect if archive.is_dir() else extract)(archive, published.files, new)
            for file, digest in published.sha256.items():
                if sha256(new / file) != digest:
                    raise ConfigError(f"{archive}: {file} is not the published one: wrong sha256")
    return folder


def _from_publisher(
    published: PublishedCorpus, downloads: Path, folder: Path, progress: StageProgress
) -> None:
    paths = {url: downloads / url.rpartition("/")[2] for url in published.urls}
    try:
        for url, path in paths.items():
            if not path.exists():
                download(url, path, progress)
    finally:
        with suppress(OSError):  # not empty
            downloads.rmdir()
    with create_stage(folder, {"urls": list(published.urls)}) as (new, _):
        for url, path in paths.items():
            try:
                if path.suffix == ".gz":
                    unpack(path, new / path.stem)
                else:
                    extract(path, published.files, new)
            except ConfigError as error:
                raise refuse(url, path, str(error)) from error
            digest = published.sha256.get(path.stem)
            if digest is not None and sha256(new / path.stem) != digest:
                raise refuse(url, path, "wrong sha256: it is not the published file")
    for path in paths.values():
        path.unlink()
    downloads.rmdir()
