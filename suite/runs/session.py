"""Sessions of a run and in what circumstances they computed: the records in meta.json."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from suite.registry import load, names
from suite.runs.directory import Run
from workload.checkpoint_files import CheckpointFiles
from workload.errors import UserError
from workload.files import read_json, write_json
from workload.output import say
from workload.recipe import MachineBase

SOURCE = Path(__file__).resolve().parents[2]
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


def session_record(argv: list[str], machine: MachineBase) -> dict[str, Any]:
    """Revision, versions, hardware, device, threads, command and start. Imports torch."""
    from workload.trainer import chosen_device

    return {
        "start": now(),
        "end": None,
        "status": "running",
        "argv": argv,
        "git": git_state(),
        "versions": versions(),
        "hardware": hardware(),
        "device": chosen_device(machine).type,
        "threads": machine.threads,
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


def rounds_otherwise(before: dict[str, Any], record: dict[str, Any]) -> str:
    """What differs between two sessions of a run, of all on which the last bits of sums depend.

    Returns:
        For example `threads 2 in place of 1`; empty where nothing that both recorded differs.
    """

    def found(session: dict[str, Any]) -> dict[str, object]:
        known = {"threads": session.get("threads"), "device": session.get("device")}
        hardware = session.get("hardware") or {}
        known["processor"] = hardware.get("cpu")
        known["torch"] = (session.get("versions") or {}).get("torch")
        return known

    earlier, later = found(before), found(record)
    return ", ".join(
        f"{name} {later[name]} in place of {earlier[name]}"
        for name in later
        if None not in (earlier[name], later[name]) and earlier[name] != later[name]
    )


def last_command(run: Path) -> list[str]:
    """What was typed for a run's last session, without the program; empty where nothing tells."""
    with suppress(UserError, LookupError, TypeError):
        return [str(word) for word in (read_json(run / "meta.json") or {})["sessions"][-1]["argv"]][
            1:
        ]
    return []


@contextmanager
def recorded_session(runs: Sequence[Run], argv: list[str], machine: MachineBase) -> Iterator[None]:
    """A record in every run's `meta.json` from begin to end, with the error of one that failed.

    Says where a run goes on in circumstances that round otherwise than its last session's.
    """
    record = session_record(argv, machine)
    for run in runs:
        run.begin_session()
        (run.path / "failed.json").unlink(missing_ok=True)
        meta = read_json(run.path / "meta.json") or {"sessions": []}
        goes_on = meta["sessions"] and CheckpointFiles(run.path).pointer.exists()
        if goes_on and (other := rounds_otherwise(meta["sessions"][-1], record)):
            say(f"{run.path} goes on with {other}: its last bits may not be an undisturbed run's")
        write_json(run.path / "meta.json", {"sessions": [*meta["sessions"], record]})
    try:
        yield
    finally:
        for run in runs:
            if not run.path.is_dir():
                continue  # taken away while it was trained, as another error says
            meta = read_json(run.path / "meta.json") or {"sessions": [record]}
            ended = record | {"end": now(), "status": run.status()}
            if failure := run.failure():
                ended["error"] = failure
            write_json(run.path / "meta.json", {"sessions": [*meta["sessions"][:-1], ended]})
