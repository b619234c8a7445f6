"""Finished work that is not done again: folders made whole or not at all.

A stage is a folder with a `stage.json` of what it was made from (sha256 of the inputs) and what is
in it (sha256 of the files). It is filled under another name and renamed when complete.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from workload.errors import ConfigError
from workload.files import LockedError, lock, sync

LOCK = ".lock"
RECORD = "stage.json"
VERSION = 1  # of the steps: a change in what they compute makes everything again


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_files(paths: Iterable[Path]) -> dict[str, str]:
    return {path.name: sha256(path) for path in paths}


def load_stage(folder: Path, inputs: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """The record of a stage that is whole, and made from these inputs where they are given."""
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        whole = record["version"] == VERSION and all(
            sha256(folder / name) == digest for name, digest in record["outputs"].items()
        )
        same = inputs is None or record["inputs"] == inputs
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return record if whole and same else None


@contextmanager
def create_stage(folder: Path, inputs: Mapping[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give a new folder to fill, and a report; after the block they become the stage.

    When the block fails, nothing stays, and a stage that was there before stays as it was.

    Raises:
        ConfigError: there is a folder already that is no stage: somebody's own.
    """
    if folder.exists() and not (folder / RECORD).exists():
        raise ConfigError(
            f"{folder} is in the way: it is not of `prepare`, which would replace it; move it, or "
            "choose another --data-dir"
        )
    new = folder.with_name(f".{folder.name}.unfinished")
    old = folder.with_name(f".{folder.name}.old")
    for left_over in (new, old):
        shutil.rmtree(left_over, ignore_errors=True)
    new.mkdir(parents=True)
    report: dict[str, Any] = {}
    try:
        yield new, report
        outputs = sha256_of_files(sorted(path for path in new.iterdir() if path.is_file()))
        record = {"version": VERSION, "inputs": inputs, "outputs": outputs, "report": report}
        write_record(new / RECORD, record)
        for path in new.iterdir():
            sync(path)
        sync(new)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Work in a folder that no second process works in; when it stays empty it goes again.

    Raises:
        ConfigError: another process works there, or it cannot be made.
    """
    absent = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError(f"data_dir: {folder} is no directory") from error
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(folder / LOCK))
        except LockedError as error:
            raise ConfigError(f"another process prepares {folder}; wait until it ends") from error
        try:
            yield
        finally:
            (folder / LOCK).unlink(missing_ok=True)
            with suppress(OSError):  # not empty
                for path in absent:
                    path.rmdir()


def write_record(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def read_lines(path: Path) -> list[str]:
    """Lines of a file, split at \\n only: Unicode knows more line ends than corpora do.

    Raises:
        ConfigError: with file and line, where the bytes are not UTF-8.
    """
    content = path.read_bytes().removesuffix(b"\n")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path} line {number} is not UTF-8 (byte 0x{content[error.start]:02x}); "
            "convert the file, e.g. with iconv, or remove the pair"
        ) from error
    lines = text.removeprefix("\ufeff").split("\n") if content else []
    return [line.removesuffix("\r") for line in lines]
