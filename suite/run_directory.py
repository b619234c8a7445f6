"""The directory of one run: its identity, its lock and its whole-file records.

runs/rl/Pong/separated-1e-4/seed0-30688e4f/
    config.json     first file written: everything that decides the result
    meta.json       per session: revision, versions, hardware, command, start, end
    lock            held while a process trains, and says which
    progress.json   how far it is; there only while it trains, see suite/heartbeat.py
    metrics.jsonl eval.jsonl events.out.tfevents.run    append-only, see suite/run_log.py
    checkpoint/     the workload's
    replay/         the workload's, deleted once the run is done (RL)
    weights/ test.*    the workload's: trained weights, translations (translation)
    failed.json     the last error; gone when the next session begins
    done.json       status and final figures; from here on nothing is trained
    plot.png        drawn from the logs, at the end of training or by `wdbench plot`
"""

import fcntl
import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from shared_optim.member import Member
from suite.errors import UserError
from suite.workloads import Workload, load

FORMAT = 1


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def write_json(path: Path, value: Any) -> None:
    """Replace a whole file: temporary file, fsync, rename. A crash leaves the old or the new."""
    text = json.dumps(finite(value), indent=2, allow_nan=False)
    temporary = path.with_name(f"{path.name}.{os.uname().nodename}.{os.getpid()}.tmp")
    try:
        with temporary.open("w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


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


class Run:
    """One member's run directory. Making the object touches nothing on disk."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self.config = config

    @classmethod
    def of(cls, workload: Workload, recipe: Any, member: Member, runs: Path) -> "Run":
        """The run of a member. The same recipe and member always give the same directory."""
        own = {"scheme": member.scheme, "weight_decay": member.weight_decay, "seed": member.seed}
        config = {
            "format": FORMAT,
            "workload": workload.NAME,
            "recipe": workload.identity(recipe),
            "member": own,
        }
        digest = hashlib.sha256(canonical(config).encode()).hexdigest()[:8]
        folder = runs / workload.NAME / workload.subject(recipe) / member.name
        return cls(folder / f"seed{member.seed}-{digest}", config)

    @classmethod
    def at(cls, path: Path) -> "Run":
        """A run that is already on disk. UserError where there is none."""
        config = read_json(path / "config.json")
        if config is None:
            raise UserError(f"{path} is no run directory: it has no config.json")
        if config.get("format") != FORMAT:
            raise UserError(
                f"{path} has format {config.get('format')}; this version reads {FORMAT}"
            )
        for key in ("recipe", "member"):
            if not isinstance(config.get(key), dict):
                raise UserError(f"{path / 'config.json'} is damaged: it has no {key}")
        return cls(path, config)

    @property
    def workload(self) -> Workload:
        """UserError where this version has no such workload."""
        return load(str(self.config.get("workload")))

    def check_there(self) -> None:
        """Raise UserError where somebody took the directory away while it was trained."""
        if not self.described():
            raise UserError(
                f"{self.path} was moved or deleted while it was being trained; its rows are there, "
                "not here: what is left here holds no run"
            )

    def done(self) -> dict[str, Any] | None:
        """The final record, `{"status": ..., "figures": {...}}`; None while unfinished."""
        return read_json(self.path / "done.json")

    def failure(self) -> str | None:
        """The last error, `Type: message`, while no later session has begun."""
        record = read_json(self.path / "failed.json")
        return None if record is None else str(record.get("error"))

    def status(self) -> str:
        """`finished`, `diverged`, `failed` or `unfinished`."""
        done = self.done()
        if done is not None:
            return str(done["status"])
        return "unfinished" if self.failure() is None else "failed"

    def create(self) -> None:
        """Make the directory, or check that what is there is this run."""
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.described():
            write_json(self.path / "config.json", self.config)

    def described(self) -> bool:
        """Whether the directory has its config.json. UserError where that is another run's."""
        existing = read_json(self.path / "config.json")
        if existing not in (None, self.config):
            raise UserError(f"{self.path / 'config.json'} describes another run; move it away")
        return existing is not None


class HeldError(UserError):
    """Another process trains the run."""


@contextmanager
def locked(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """Hold the lock of every run; make the directories that do not exist. Gives the runs.

    Directories that exist are locked first, so a refusal leaves nothing new behind. The lock is
    the kernel's (flock): a killed process holds none.

    Raises:
        HeldError: another process holds one of them.
    """
    with ExitStack() as stack:
        for run in sorted(runs, key=lambda run: not run.path.is_dir()):
            run.create()
            stack.enter_context(_lock(run.path))
        yield list(runs)


@contextmanager
def locked_if_free(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """As `locked`, of the runs that no other process holds. Gives those."""
    with ExitStack() as stack:
        held = []
        for run in runs:
            run.create()
            with suppress(HeldError):
                stack.enter_context(_lock(run.path))
                held.append(run)
        yield held


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with (path / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise HeldError(
                f"{path} is being trained by {holder}; wait for it or stop it first"
            ) from None
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} on {os.uname().nodename}\n")
        file.flush()
        yield
