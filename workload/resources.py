"""What this machine has free. Imports torch only when asked about CUDA."""

import os
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

    path = path.absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


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


def check_device(device: str) -> None:
    """Raise UserError where `device` is cuda and this machine has no usable GPU."""
    if device == "cuda" and cuda_memory() is None:
        raise UserError("device cuda: torch finds no usable GPU here; allowed are auto and cpu")


def writable(path: Path) -> bool:
    """Whether `path` is a directory that can be written to, or could be made."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path.is_dir() and os.access(path, os.W_OK | os.X_OK)


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
