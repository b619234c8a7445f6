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
from suite.runs.leftovers import sweep
from workload.by_products import by_product, discard
from workload.checkpoint_files import CheckpointFiles
from workload.errors import UserError
from workload.files import put_aside, read_json, write_json
from workload.output import say, warn
from workload.recipe import MachineBase

META = "meta.json"
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


def remark(run: Path, text: str) -> None:
    """Have a sentence in the record of the run's present session, from where tables show it."""
    with by_product(run / META):
        every = sessions(run)
        if every:
            every[-1]["remarks"] = [*every[-1].get("remarks", []), text]
            write_json(run / META, {"sessions": every})


def remarks(run: Path) -> tuple[str, ...]:
    """What sets a run apart from an undisturbed one, of all its sessions."""
    with suppress(UserError):
        texts = [text for session in sessions(run) for text in session.get("remarks", [])]
        return tuple(dict.fromkeys(map(str, texts)))
    return ()


def sessions(run: Path) -> list[dict[str, Any]]:
    """A run's sessions on record, the newest last. UserError where the record is damaged."""
    found = (read_json(run / META) or {"sessions": []}).get("sessions")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UserError(f"{run / META} is damaged: it has no sessions")
    return found


def last_command(run: Path) -> list[str]:
    """What was typed for a run's last session, without the program; empty where nothing tells."""
    with suppress(UserError, LookupError, TypeError):
        return [str(word) for word in sessions(run)[-1]["argv"]][1:]
    return []


@contextmanager
def recorded_session(runs: Sequence[Run], argv: list[str], machine: MachineBase) -> Iterator[None]:
    """A record in every run's `meta.json` from begin to end, with the error of one that failed.

    Says where a run goes on in circumstances that round otherwise than its last session's.
    """
    record = session_record(argv, machine)
    for run in runs:
        sweep(run.path)
        run.begin_session()
        discard(run.path / "failed.json")
        before = _sessions_so_far(run.path)
        goes_on = before and CheckpointFiles(run.path).pointer.exists()
        if goes_on and (other := rounds_otherwise(before[-1], record)):
            say(f"{run.path} goes on with {other}: its last bits may not be an undisturbed run's")
        with by_product(run.path / META):
            write_json(run.path / META, {"sessions": [*before, record]})
    try:
        yield
    finally:
        for run in runs:
            if not run.path.is_dir():
                continue  # taken away while it was trained, as another error says
            with by_product(run.path / META):
                *before, own = _sessions_so_far(run.path) or [record]
                ended = own | {"end": now(), "status": run.status()}
                if failure := run.failure():
                    ended["error"] = failure
                write_json(run.path / META, {"sessions": [*before, ended]})


def _sessions_so_far(run: Path) -> list[dict[str, Any]]:
    """The sessions on record; a damaged record is put aside, and another one begun."""
    try:
        return sessions(run)
    except UserError as error:
        aside = put_aside(run / META)
        warn(f"{error}; it is {aside.name} from here on, and the run goes on")
        return [{"remarks": [f"the record of earlier sessions was damaged, see {aside.name}"]}]
