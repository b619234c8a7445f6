"""What this machine has free. Imports torch only when asked about CUDA."""

import os
import pwd
import resource
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workload.errors import UserError


@dataclass(frozen=True)
class FreeMemory:
    """Memory that a process may take, in bytes: on the host, and on its GPU, 0 without one."""

    host: int
    gpu: int


OPEN_FILES = 200
"""Of a process without its runs: libraries, devices, workers."""
_CGROUP = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Bytes this process may still take: available memory, or less where a cgroup limits it."""
    import psutil

    available = int(psutil.virtual_memory().available)
    return min([available, *_free_in_cgroup()])


def _free_in_cgroup() -> list[int]:
    """Free bytes under the limits of cgroup v2 and v1, as far as they are set and readable."""
    found = []
    for limit_file, used_file, stat_file, cache_key in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
            "total_inactive_file",
        ),
    ):
        try:
            limit = int((_CGROUP / limit_file).read_text())
            used = int((_CGROUP / used_file).read_text())
            stat = dict(line.split() for line in (_CGROUP / stat_file).read_text().splitlines())
        except (OSError, ValueError):  # absent, or "max": no limit
            continue
        # The page cache counts as used and is given up on demand.
        found.append(limit - used + int(stat.get(cache_key, 0)))
    return found


def free_disk(path: Path) -> int:
    """Free bytes of the file system that holds `path`, or would once it is made."""
    import shutil

    return shutil.disk_usage(nearest(path)).free


def used_disk(path: Path) -> int:
    """Bytes of the files below `path`, 0 where there is nothing; others may be deleting them."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def disk_for(runs: Sequence[Path]) -> int:
    """Bytes that runs may take in all: what is free, and what they have taken already."""
    return free_disk(runs[0]) + sum(map(used_disk, runs))


def allow_open_files(count: int) -> None:
    """Have the process allowed to open so many files more, beside what it needs anyway.

    Raises:
        UserError: the system's limit for this user is below that.
    """
    needed = count + OPEN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise UserError(
            f"this needs {needed} open files, but `ulimit -Hn` allows {hard}; train fewer members "
            "together, or have the limit raised"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def check_device(device: str, processes: int = 1) -> None:
    """Raise UserError where `device` is cuda and this machine has no usable GPU, or where it has
    fewer than there are processes to take one each."""
    if device == "cuda" and cuda_memory() is None:
        raise UserError("device cuda: torch finds no usable GPU here; allowed are auto and cpu")
    if processes == 1 or device == "cpu":
        return
    import torch

    if torch.cuda.is_available() and processes > (gpus := torch.cuda.device_count()):
        raise UserError(
            f"devices: {processes} processes take a GPU each, and torch finds {gpus} here; choose "
            f"at most {gpus}, or --device cpu"
        )


def writable(path: Path) -> bool:
    """Whether `path` is a directory that can be written to, or could be made."""
    path = nearest(path)
    return os.access(path, os.W_OK | os.X_OK) and path.is_dir()


def nearest(path: Path) -> Path:
    """The path, or the first folder above it that exists or that may not be looked into."""
    path = path.absolute()
    with suppress(PermissionError):
        while not path.exists():
            path = path.parent
        return path
    return path.parent


def owner(path: Path) -> str:
    """Whose the path is, by name or else by number."""
    number = os.stat(path).st_uid
    with suppress(KeyError):
        return pwd.getpwuid(number).pw_name
    return f"user {number}"


def cuda_memory() -> tuple[int, int] | None:
    """Free and total bytes of the GPU; None without a usable one."""
    import torch

    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info()
    return int(free), int(total)


def gpu_memories() -> list[int]:
    """Total bytes of every GPU of this machine, asked of the driver's own tool: without torch."""
    import subprocess

    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True)
        return [int(line) * 2**20 for line in answer.stdout.split()]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
