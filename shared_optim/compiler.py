"""C compiled by the system's compiler, and kept in the user's cache.

The sources are small and include no header of torch's, so a compilation takes .15 s and the result
depends on the source, the compiler and the processor alone: the three are in a library's name.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

# -ffp-contract=off: each operation is rounded by itself, as torch's are
_FLAGS = ("-O3", "-std=gnu11", "-fPIC", "-ffp-contract=off", "-fno-math-errno")
_DIGEST = 32  # bytes of sha256 behind a library's own, which loaders ignore


class CompileError(Exception):
    """No compiler, or one that fails."""


@functools.cache
def c_function(text: str, arguments: int) -> Callable[..., None]:
    """The function `run` of a C source: from the user's cache, or compiled into it.

    Args:
        text: the source. `run` returns nothing and takes addresses and int64.
        arguments: how many.

    Raises CompileError.
    """
    compiler = _compiler()
    flags = [*_FLAGS, *(["-march=native"] if _processor() else [])]
    key = "\n".join([text, *compiler, *flags, _processor(), platform.machine()])
    name = f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.so"
    folder = _cache()
    if folder is not None and (function := _kept(folder / name, arguments)) is not None:
        return function
    with tempfile.TemporaryDirectory(prefix="wdbench-") as scratch:
        content = _compiled(compiler, flags, text, Path(scratch))
        built = Path(scratch, name)
        built.write_bytes(content + hashlib.sha256(content).digest())
        if folder is not None:
            _keep(built, folder / name)
        function = _kept(built, arguments)  # stays loaded when the file is gone
        if function is None:
            raise CompileError("the library that was compiled cannot be read")
        return function


def _kept(path: Path, arguments: int) -> Callable[..., None] | None:
    """`run` of a library that is whole, else None: a half-written one would kill the process."""
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[:-_DIGEST]).digest() != content[-_DIGEST:]:
            return None
        function = ctypes.CDLL(str(path)).run
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_int64] * arguments  # an address is one, too
    function.restype = None
    return function


def _keep(built: Path, path: Path) -> None:
    """Put a library into the cache in one move; whoever else did so before made the same one."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(built.read_bytes())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o755)
        os.replace(temporary, path)
    except OSError:  # a full disk, or a folder that only looked writable
        pass


def _cache() -> Path | None:
    """The user's cache folder, made where it is missing; None where that cannot be written."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(base, "wdbench", "kernels")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return folder


def _compiler() -> list[str]:
    """The command of the C compiler, and what tells it from another version of itself."""
    command = shlex.split(os.environ.get("CC", "")) or ["cc"]
    found = shutil.which(command[0]) or shutil.which("gcc") or shutil.which("clang")
    if found is None:
        raise CompileError("no C compiler (cc, gcc or clang) was found")
    status = os.stat(os.path.realpath(found))
    return [found, *command[1:], f"{status.st_size} {status.st_mtime_ns}"]


@functools.cache
def _processor() -> str:
    """What the processor can do, as Linux lists it; empty where that is not known."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith(("flags", "Features")):
                    return line.strip()
    except OSError:
        pass
    return ""


def _compiled(compiler: Sequence[str], flags: Sequence[str], text: str, scratch: Path) -> bytes:
    """The library of a C source, with threads where that is possible; or CompileError."""
    *command, _ = compiler
    errors = []
    for openmp in (["-fopenmp"], []):
        part, whole = (str(scratch / f"{len(openmp)}.{end}") for end in ("o", "so"))
        # OpenMP's calls are left open here, and found in the library that torch itself has loaded:
        # a second one would have threads of its own
        error = _called([*command, *flags, *openmp, "-x", "c", "-c", "-", "-o", part], text)
        error = error or _called([*command, "-shared", part, "-o", whole], text)
        try:
            if not error:
                ctypes.CDLL(whole)
                return Path(whole).read_bytes()
        except OSError as unresolved:
            error = str(unresolved)
        errors.append(error)
    raise CompileError(errors[-1])


def _called(command: Sequence[str], text: str) -> str:
    """The first line of what a command complains of; empty where it succeeds."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if not done.returncode:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line), (lines or ["it failed"])[0])
