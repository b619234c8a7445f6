"""What of some runs may go, and what each of it costs. Imports no torch."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from suite.results.selection import LeaveOut, RunDescription, same
from suite.runs import event_file, heartbeat
from suite.runs.directory import Run, locked_if_free
from workload.errors import UserError
from workload.files import TEMPORARY
from workload.identity import canonical, config_of, identity
from workload.resources import owner, used_disk, writable


@dataclass(frozen=True)
class Leftover:
    """A file or folder that may go.

    Attributes:
        run: whose it is.
        path: of the file, or of the folder.
        why: in a few words.
        size: bytes.
    """

    run: Run
    path: Path
    why: str
    size: int


def leftovers(
    described: Sequence[RunDescription],
    named: Sequence[RunDescription] | None,
    leave: LeaveOut,
    *,
    states: bool,
) -> list[Leftover]:
    """What may go of these runs; nothing of those that a process trains.

    Args:
        described: the runs.
        leave: told which runs are left alone, and why.
        named: those that grids name, with what these read; a run that is none of them goes as a
            whole. None where no grid was given.
        states: whether ended runs lose the states that longer training, films and measurements
            begin with. What the named ones read stays.
    """
    wanted = None if named is None else {same(run) for run in named}
    read = set() if named is None else {name for run in named for name in _references(run)}
    found: list[Leftover] = []
    for run in described:
        if not writable(run.run.path):
            leave(f"{run.run.path} belongs to {owner(run.run.path)}")
            continue
        with locked_if_free([run.run]) as free:
            if not free:
                leave(f"{run.run.path} is being trained")
                continue
            if wanted is not None and same(run) not in wanted | read:
                path = run.run.path
                found.append(Leftover(run.run, path, "no grid names it", used_disk(path)))
                continue
            found += _files(run.run)
            if states and same(run) not in read and _has_ended(run.run):
                found += _states(run)
    return found


def remove(found: Sequence[Leftover]) -> None:
    """Delete what may go, but of a run that a process has begun to train meanwhile. Folders that
    are empty then go, too."""
    for leftover in found:
        if not leftover.path.exists():
            continue
        with locked_if_free([leftover.run]) as free:
            if not free:
                continue
            if leftover.path.is_dir():
                shutil.rmtree(leftover.path)
            else:
                leftover.path.unlink(missing_ok=True)
        if leftover.path == leftover.run.path:
            with suppress(OSError):  # others are in it
                leftover.path.parent.rmdir()
                leftover.path.parent.parent.rmdir()


def _files(run: Run) -> Iterator[Leftover]:
    """Files that a kill has left, and those that a later start has emptied."""
    for folder, _, names in os.walk(run.path):
        for path in (Path(folder) / name for name in sorted(names)):
            if path.name.endswith(TEMPORARY):
                yield Leftover(run, path, "a kill has left it", path.stat().st_size)
    beat = run.path / heartbeat.FILE
    if beat.exists():
        yield Leftover(run, beat, "a kill has left it", beat.stat().st_size)
    for path in event_file.emptied(run.path):
        yield Leftover(run, path, "a later start has emptied it", 0)


def _states(run: RunDescription) -> Iterator[Leftover]:
    for name in run.workload.STATES:
        path = run.run.path / name
        if path.is_dir():
            why = "the run has ended; without, it cannot be made longer, watched or measured"
            yield Leftover(run.run, path, why, used_disk(path))


def _has_ended(run: Run) -> bool:
    with suppress(UserError):  # a damaged record
        return run.done() is not None
    return False


def _references(run: RunDescription) -> Iterator[str]:
    """What a run reads of others, as `same` names them."""
    workload = run.workload
    for recipe, member in workload.references(run.recipe, [run.member]):
        yield canonical(identity(workload, config_of(workload, recipe, member)))
