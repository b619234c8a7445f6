"""Finished work that is not done again: folders made whole or not at all.

A stage is a folder with a `stage.json` of what it was made from (sha256 of the inputs) and what is
in it (sha256 of the files). It is filled under another name and renamed when complete.
"""

import hashlib
import json
import shutil
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from workload.errors import ConfigError
from workload.files import LockedError, lock, sync

LOCK = ".lock"
RECORD = "stage.json"
VERSION = 1  # of the record; what a step computes is told apart by its inputs


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


@contextmanager
def tidy_on_sigterm() -> Iterator[None]:
    """End by an exception, as with ^C, so that what is half-made goes."""

    def end(*_signal: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
