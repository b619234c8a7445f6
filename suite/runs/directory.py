"""The directory of one run: its identity, its lock and its whole-file records.

RUNS/WORKLOAD/TASK/separated-1e-4/seed0-0a29189c/
    config.json     first file written: everything that decides the result
    meta.json       per session: revision, versions, hardware, command, start, end
    lock            held while a process trains, and says which
    progress.json   how far it is; there only while it trains, see suite/runs/heartbeat.py
    metrics.jsonl eval.jsonl    append-only, see suite/runs/log.py, as are the workload's ROW_FILES
    events.out.tfevents.run*    the same for TensorBoard, see suite/runs/event_file.py
    checkpoint/     the workload's, as is all else that is not named here
    failed.json     the last error; gone when the next session begins
    done.json       status, final figures, digests of files; from here on nothing is trained
    plot.png        drawn from the logs, at the end of training or by `wdbench plot`
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from suite.registry import AnyWorkload, load
from suite.runs.final import read_final
from workload.errors import UserError
from workload.files import LockedError, lock, read_json, write_json
from workload.identity import Config, completed, config_of, digest, identity, read_config, same_run
from workload.member import Member


class Run:
    """One member's run directory. Making the object changes nothing on disk.

    Attributes:
        path: the directory.
        config: what is asked for; on disk the keys that are no part of the identity may differ.
        shorter: a finished run of the same identity that cannot be made as long as is asked for.
    """

    def __init__(self, path: Path, config: Config, shorter: Path | None = None) -> None:
        self.path, self.config, self.shorter = path, config, shorter

    @classmethod
    def of(cls, workload: AnyWorkload, recipe: Any, member: Member, runs: Path) -> "Run":
        """The run of a member: the directory that holds it, or where it will be made.

        A directory is found by its config.json, whatever its name: one that an earlier version
        made is gone on with. Of several, the one whose whole configuration is what is asked for
        comes first. A finished run that would have to be longer and has kept nothing to go on
        from stays as it is; the longer one then gets a directory of its own.
        """
        config = config_of(workload, recipe, member)
        folder = runs / workload.NAME / workload.task(recipe) / member.name
        own = identity(workload, config)
        usual = folder / f"seed{member.seed}-{digest(own)}"
        on_disk = {usual: _config(usual)}
        if on_disk[usual] != config:
            on_disk |= {path: _config(path) for path in sorted(folder.glob(f"seed{member.seed}-*"))}
        found = [path for path, its in on_disk.items() if same_run(workload, config, its)]
        shorter = None
        for path in sorted(found, key=lambda path: on_disk[path] != config):
            run = cls(path, config)
            if not run.cannot_go_on():
                return run
            shorter = path
        if shorter is None:
            return cls(usual, config)
        longer = digest({**own, workload.LENGTH_KEY: config["recipe"][workload.LENGTH_KEY]})
        return cls(folder / f"seed{member.seed}-{longer}", config, shorter)

    @classmethod
    def at(cls, path: Path) -> "Run":
        """A run that is already on disk. UserError where there is none."""
        config = read_config(path)
        with suppress(UserError):  # of a workload that is not installed
            config = completed(load(str(config.get("workload"))), config)
        return cls(path, config)

    @property
    def member(self) -> Member:
        """Its scheme, lambda and seed."""
        return Member(**self.config["member"])

    @property
    def workload(self) -> AnyWorkload:
        """UserError where this version has no such workload."""
        return load(str(self.config.get("workload")))

    def check_exists(self) -> None:
        """Raise UserError where somebody took the directory away while it was trained."""
        if not self.has_config():
            raise UserError(
                f"{self.path} was moved or deleted while it was being trained; its rows are there, "
                "not here: what is left here holds no run"
            )

    def done(self) -> dict[str, Any] | None:
        """The final record, `{"status": ..., "figures": {...}}`; None while unfinished, and where
        a run has finished that is shorter than what is asked for."""
        return None if self.ended_short() else self._final()

    def ended_short(self) -> bool:
        """Whether the run has finished, and is shorter than what is asked for."""
        record = self._final()
        if record is None or record.get("status") != "finished":
            return False
        length = self.length_on_disk()
        return length is not None and length < self.config["recipe"][self.workload.LENGTH_KEY]

    def cannot_go_on(self) -> bool:
        """Whether the run has ended short and has kept nothing to go on from."""
        with suppress(UserError):  # a damaged record is told where the run is trained or shown
            return self.ended_short() and not self.workload.can_go_on(self.path)
        return False

    def length_on_disk(self) -> int | None:
        """How long the run was last asked to be; None where nothing tells."""
        workload, config = self.workload, _config(self.path)
        if not isinstance(config.get("recipe"), dict):
            return None
        length = completed(workload, config)["recipe"].get(workload.LENGTH_KEY)
        return length if isinstance(length, int) else None

    def _final(self) -> dict[str, Any] | None:
        return read_final(self.path)

    def failure(self) -> str | None:
        """The last error, `Type: message`, while no later session has begun."""
        try:
            record = read_json(self.path / "failed.json")
        except UserError as error:
            return str(error)
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
        if not self.has_config():
            write_json(self.path / "config.json", self.config)

    def begin_session(self) -> None:
        """Have on disk what is asked for now: the lock is held, and training begins or goes on.

        Of a finished run that is made longer the final record goes first: whatever the moment of
        a kill, none says finished of the longer one.
        """
        if self.ended_short():
            (self.path / "done.json").unlink()
        if _config(self.path) != self.config:
            write_json(self.path / "config.json", self.config)

    def has_config(self) -> bool:
        """Whether the directory has its config.json. UserError where that is another run's."""
        try:
            existing = read_json(self.path / "config.json")
        except UserError as error:
            raise UserError(
                f"{error}; move it away and give the same command again: it is written anew"
            ) from error
        if existing not in (None, self.config) and not same_run(
            self.workload, self.config, existing or {}
        ):
            raise UserError(
                f"{self.path / 'config.json'} describes another run, or is damaged; move it away "
                "and give the same command again: it is written anew"
            )
        return existing is not None


def _config(path: Path) -> Config:
    """What is in a directory's config.json; empty where that is missing or damaged."""
    with suppress(UserError):
        return read_json(path / "config.json") or {}
    return {}


class RunLockedError(UserError):
    """Another process trains the run."""


@contextmanager
def locked(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """Hold the lock of every run; make the directories that do not exist. Gives the runs.

    Directories that exist are locked first, so a refusal leaves nothing new behind. The lock is
    the kernel's (flock): a killed process holds none.

    Raises:
        RunLockedError: another process holds one of them.
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
        free = []
        for run in runs:
            run.create()
            with suppress(RunLockedError):
                stack.enter_context(_lock(run.path))
                free.append(run)
        yield free


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(path / "lock"))
        except LockedError as error:
            raise RunLockedError(
                f"{path} is being trained by {error.holder}; wait for it or stop it first"
            ) from None
        yield
