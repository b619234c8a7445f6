"""Files out of an archive or a folder, by name. Archives are read, never unpacked whole."""

import gzip
import lzma
import shutil
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from workload.errors import ConfigError

LARGEST = 1 << 30  # bytes of one file: no corpus here comes near


def extract(archive: Path, names: Iterable[str], folder: Path) -> None:
    """Copy the named files of a tar archive into `folder`, plain; `NAME.gz` serves as `NAME`.

    Raises:
        ConfigError: the archive cannot be read, holds a path outside, a link or a device, or has
            not exactly one file of each name.
    """
    try:
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
            for member in members:
                _check(archive, member)
            files = {m: PurePosixPath(m.name).name for m in members if m.isfile()}
            for name in names:
                found = [m for m, base in files.items() if base in (name, f"{name}.gz")]
                _check_found(archive, name, [m.name for m in found])
                source = tar.extractfile(found[0])
                assert source is not None
                with source, (folder / name).open("wb") as target:
                    packed = found[0].name.endswith(".gz")
                    shutil.copyfileobj(gzip.GzipFile(fileobj=source) if packed else source, target)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        reason = str(error).partition("\n")[0].removesuffix(":")  # tarfile lists all it has tried
        raise ConfigError(f"{archive} cannot be read as an archive: {reason}") from error


def collect(source: Path, names: Iterable[str], folder: Path) -> None:
    """Copy the named files out of a folder or those below it, like `extract`."""
    paths = [path for path in source.rglob("*") if path.is_file()]
    for name in names:
        found = sorted(path for path in paths if path.name in (name, f"{name}.gz"))
        _check_found(source, name, [str(path.relative_to(source)) for path in found])
        unpack(found[0], folder / name)


def unpack(path: Path, target: Path) -> None:
    """Copy a file, unpacked where it ends in .gz."""
    if path.suffix != ".gz":
        shutil.copyfile(path, target)
        return
    try:
        with gzip.open(path) as packed, target.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    except (EOFError, zlib.error, OSError) as error:
        raise ConfigError(f"{path} cannot be unpacked: {error}") from error


def _check(archive: Path, member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        problem = "leads outside the target folder"
    elif not (member.isfile() or member.isdir()):
        problem = "is a link or a device, no file"
    elif member.size > LARGEST:
        problem = f"has {member.size:,} bytes, more than any corpus file"
    else:
        return
    raise ConfigError(f"{archive}: member {member.name!r} {problem}; nothing was unpacked")


def _check_found(source: Path, name: str, found: list[str]) -> None:
    if not found:
        raise ConfigError(f"{source} has no {name}: it is not laid out like the published corpus")
    if len(found) > 1:
        raise ConfigError(f"{source} has {name} more than once: {', '.join(found)}")
