"""The directory of one run: its identity, its lock and its whole-file records.

RUNS/WORKLOAD/SUBJECT/separated-1e-4/seed0-30688e4f/
    config.json     first file written: everything that decides the result
    meta.json       per session: revision, versions, hardware, command, start, end
    lock            held while a process trains, and says which
    progress.json   how far it is; there only while it trains, see suite/heartbeat.py
    metrics.jsonl eval.jsonl events.out.tfevents.run    append-only, see suite/run_log.py
    checkpoint/     the workload's, as is all else that is not named here
    failed.json     the last error; gone when the next session begins
    done.json       status and final figures; from here on nothing is trained
    plot.png        drawn from the logs, at the end of training or by `wdbench plot`
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from suite.registry import Workload, load
from workload.errors import UserError
from workload.files import LockedError, lock, read_json, write_json
from workload.identity import FORMAT, canonical, read_config
from workload.member import Member


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
            "recipe": workload.resolved(recipe),
            "member": own,
        }
        digest = hashlib.sha256(canonical(config).encode()).hexdigest()[:8]
        folder = runs / workload.NAME / workload.subject(recipe) / member.name
        return cls(folder / f"seed{member.seed}-{digest}", config)

    @classmethod
    def at(cls, path: Path) -> "Run":
        """A run that is already on disk. UserError where there is none."""
        return cls(path, read_config(path))

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
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(path / "lock"))
        except LockedError as error:
            raise HeldError(
                f"{path} is being trained by {error.holder}; wait for it or stop it first"
            ) from None
        yield
