"""Whole files and locks: a reader finds the old content or the new, and one process works at a
time."""

import errno
import fcntl
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from workload.errors import UserError, naming
from workload.output import warn

NOT_OFFERED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
"""What a file system answers to what it does not have."""
TEMPORARY = ".temporary"
"""How the name of a file ends that is not whole yet, or that a kill has left."""


def write_whole(path: Path, content: bytes | Callable[[BinaryIO], object]) -> str:
    """Replace a whole file: temporary file beside it, fsync, rename, fsync of the folder.

    A crash or a full disk leaves the old file or the new one, whatever the moment. Several
    processes, also of several machines, may write the same file: the last one wins.

    Args:
        path: the file; its folder exists.
        content: what it shall hold, or what writes it into the stream that it is given.

    Returns:
        The sha256 of what was written.

    Raises:
        OSError: it cannot be written, with its name; nothing but the old file stays.
    """
    temporary = path.with_name(f"{path.name}.{os.uname().nodename}.{os.getpid()}{TEMPORARY}")
    try:
        with naming(path), temporary.open("w+b") as stream:
            if isinstance(content, bytes):
                stream.write(content)
            else:
                content(stream)
            stream.flush()
            os.fsync(stream.fileno())
            stream.seek(0)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)
    return digest


def replace(temporary: Path, path: Path) -> None:
    """Give a whole file its name. A folder of that name, where there has to be a file, is put
    aside."""
    if path.is_dir():
        warn(f"{path} is a folder; it is {put_aside(path).name} from here on")
    temporary.replace(path)


def put_aside(path: Path) -> Path:
    """Rename what is damaged, a file or a folder, to a name that nothing reads; returns that."""
    aside = path.with_name(f"{path.name}.damaged")
    number = 1
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{number}")
    path.rename(aside)
    return aside


def write_json(path: Path, value: Any) -> None:
    """Replace a whole file by a JSON value; numbers that JSON does not have become null."""
    text = json.dumps(finite(value), indent=2, allow_nan=False)
    write_whole(path, f"{text}\n".encode())


def finite(value: Any) -> Any:
    """The value with None for every number that JSON does not have: nan and infinities."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: finite(part) for key, part in value.items()}
        case list() | tuple():
            return [finite(part) for part in value]
        case _:
            return value


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file; None where there is no file. UserError where it holds no object."""
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} is damaged: it holds no JSON object")
    return value


def sync(path: Path) -> None:
    """Have a file or a folder's list of files on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NOT_OFFERED or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


class LockedError(Exception):
    """Another process holds a lock.

    Attributes:
        holder: which one, as far as it has said so.
    """

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, made where it is missing, and say in it who does.

    The lock is the kernel's (flock): a killed process holds none.

    Raises:
        LockedError: another process holds it.
        UserError: the file system has no locks.
    """
    try:
        opened = path.open("a+")
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EROFS, errno.ENOENT):  # of the folder
            raise
        raise UserError(f"{path} is no lock: {error.strerror}; move it away") from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise LockedError(file.read().strip() or "another process") from None
        except OSError as error:
            raise UserError(
                f"{path}: its file system has no locks ({error.strerror}), without which two "
                "processes could train one run; choose a folder on another one"
            ) from error
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} on {os.uname().nodename}\n")
        file.flush()
        yield
