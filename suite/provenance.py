"""Under what circumstances a session of a run computed: the records in meta.json."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from suite.registry import load, names

SOURCE = Path(__file__).resolve().parent.parent
PACKAGES = (
    "torch",
    "lightning",
    "numpy",
    "jsonargparse",
    "tensorboard",
    "matplotlib",
    "scipy",
    "ray",
)


def session(argv: list[str]) -> dict[str, Any]:
    """Revision, versions, hardware, command and start. Imports torch to see the GPUs."""
    return {
        "start": now(),
        "end": None,
        "status": "running",
        "argv": argv,
        "git": git_state(),
        "versions": versions(),
        "hardware": hardware(),
    }


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def git_state() -> dict[str, Any] | None:
    """Revision of the source this runs from and whether it differs; None outside a repository."""
    tracked = _git("ls-files", "--error-unmatch", str(Path(__file__).resolve()))
    revision = _git("rev-parse", "HEAD")
    if tracked is None or revision is None:
        return None
    return {"revision": revision, "dirty": bool(_git("status", "--porcelain"))}


def _git(*arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(SOURCE), *arguments], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def versions() -> dict[str, str | None]:
    """Installed versions; None for what is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    of_workloads = (package for name in names() for package in load(name).PACKAGES)
    for package in dict.fromkeys(("wdbench", *PACKAGES, *of_workloads)):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def hardware() -> dict[str, Any]:
    import psutil
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "memory_bytes": int(psutil.virtual_memory().total),
        "gpus": gpus,
        "cuda": torch.version.cuda,
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
