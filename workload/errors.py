"""The one error that reaches a user as one sentence, and what derives from it. Caught once, where
the command ends."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DAMAGE = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
)
"""What reading a damaged record may end with."""


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
    """A checkpoint that cannot be read, and none before it that can.

    Attributes:
        path: the broken file.
        problem: what is wrong with it.
    """

    def __init__(
        self, path: Path, problem: str, way_on: str = "move the run away to start it anew"
    ) -> None:
        super().__init__(f"checkpoint {path}: {problem}; nothing was deleted; {way_on}")
        self.path, self.problem = path, problem


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
