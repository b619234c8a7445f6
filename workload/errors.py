"""The one error that reaches a user as one sentence, and what derives from it. Caught once, where
the command ends."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """Something the user can put right. The message names what was wrong, its value and what is
    allowed; the command prints it without a traceback.

    Attributes:
        exit_code: what the command then exits with.
    """

    exit_code = 2


class ConfigError(UserError, ValueError):
    """A value that cannot be used. The message names the key, the value and what is allowed."""


class CheckpointError(UserError):
    """A checkpoint that cannot be read.

    Attributes:
        path: the broken file.
        problem: what is wrong with it.
        previous: whether the checkpoint before it is still there.
    """

    def __init__(self, path: Path, problem: str, *, previous: bool) -> None:
        way_on = (
            "--from-previous-checkpoint resumes from the one before"
            if previous
            else "no checkpoint before it is known: move the run away to start it anew"
        )
        super().__init__(f"checkpoint {path}: {problem}; nothing was deleted; {way_on}")
        self.path, self.problem, self.previous = path, problem, previous


class FullDiskError(UserError):
    """No space is left, or less than is needed; nothing else goes better before there is room."""


def system_error(error: BaseException | None) -> OSError | None:
    """The system's own error behind an error, None where there is none. torch.save raises a
    RuntimeError in the place of the OSError."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


def out_of_space(error: BaseException | None) -> bool:
    """Whether a full disk or an exhausted quota is behind an error."""
    found = system_error(error)
    return found is not None and found.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An error of the system in the block, which writes or reads a file, as one that names it."""
    try:
        yield
    except Exception as error:
        found = system_error(error)
        if found is None or found.filename is not None or found.errno is None:
            raise
        raise OSError(found.errno, found.strerror, str(path)) from error


@contextmanager
def full_disk_explained(folder: Path) -> Iterator[None]:
    """An error of the block that a full disk is behind as a FullDiskError."""
    try:
        yield
    except Exception as error:
        if isinstance(error, FullDiskError) or not out_of_space(error):
            raise
        raise FullDiskError(
            f"no space is left on the disk of {folder}; make room and give the same command again"
        ) from error
