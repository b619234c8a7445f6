"""A run's checkpoints on disk: the newest state and the one before, or neither. Imports no torch.

    RUN/checkpoint/<name>            the states
    RUN/checkpoint/checkpoint.json   names both files, with their sha256 and where they stand
    RUN/checkpoint.json              the same once more, for where that is lost or damaged

The pointers are written last and atomically: whatever the moment of a kill, each names whole files.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from workload.by_products import by_product, discard
from workload.errors import DAMAGE, CheckpointError
from workload.files import TEMPORARY, put_aside, write_whole
from workload.output import warn_once

POINTER = "checkpoint.json"
STATE = re.compile(r"\d+(-[a-z]+)?(-\d+)?\.pt")
"""Names of states. What is called otherwise somebody has put there, and it stays."""
Entry = dict[str, Any]


class CheckpointFiles:
    """The checkpoint files of one run directory. Nothing is made before the first `write`."""

    def __init__(self, run: Path) -> None:
        self.folder = run / "checkpoint"
        self.pointer, self.copy = self.folder / POINTER, run / POINTER

    def entry(self, *, previous: bool = False) -> Entry | None:
        """The pointer's entry, None where there is no pointer or no previous state.

        It holds `file`, `sha256`, `position` (whole numbers) and what else was published with it.

        Raises:
            CheckpointError: neither the pointer nor its copy can be read, or both are missing
                beside two states; before there is a pointer there is at most one.
        """
        problem = ""
        for path in (self.pointer, self.copy):
            try:
                latest, before = _read(path)
            except FileNotFoundError:
                problem = problem or "is missing"
                continue
            except (OSError, *DAMAGE):
                problem = "is damaged: no checkpoint's pointer"
                continue
            if path == self.copy:
                warn_once(f"{self.pointer} {problem}; {path} is read in its place")
            return before if previous else latest
        if problem == "is missing" and len(list(self._states())) < 2:
            return None
        raise CheckpointError(self.pointer, problem)

    def damaged_pointer(self) -> CheckpointError:
        """The error of a pointer whose entries are not what their reader expects."""
        return CheckpointError(self.pointer, "is damaged: no checkpoint's pointer")

    def sound(self, *, previous: bool = False) -> Entry | None:
        """The entry of the newest state that is what was written; None where none is known.

        Where the newest is damaged, that is the one before. What is trained from there comes to the
        same result.

        Raises:
            CheckpointError: there is none.
        """
        newest, before = self.entry(), self.entry(previous=True)
        if newest is None:
            return None
        if previous and before is None:
            raise CheckpointError(self.pointer, "names no checkpoint before the newest")
        problems: list[str] = []
        for entry in (before,) if previous else (newest, before):
            problem = "no checkpoint before it is known" if entry is None else self._problem(entry)
            if problem is None:
                if problems:
                    warn_once(f"checkpoint {problems[0]}; the one before is taken")
                return entry
            problems.append(problem)
        raise CheckpointError(self.folder, "; ".join(problems))

    def _problem(self, entry: Entry) -> str | None:
        """What is wrong with a state."""
        file: Path = self.folder / entry["file"]
        try:
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except FileNotFoundError:
            return f"{file} is missing"
        except OSError as error:
            return f"{file} cannot be read: {error.strerror}"
        if digest == entry["sha256"]:
            return None
        return f"{file} is damaged: it is not what was written"

    def problems(self) -> Iterator[str]:
        """What is wrong with pointers and states, one sentence each."""
        found = []
        for path in (self.pointer, self.copy):
            try:
                found.append(_read(path))
            except FileNotFoundError:
                continue
            except (OSError, *DAMAGE):
                yield f"{path} is damaged: no checkpoint's pointer"
        if not self.pointer.exists() and (found or any(self._states())):
            yield f"{self.pointer} is missing"
        for entry in found[0] if found else ():
            if entry is not None and (problem := self._problem(entry)) is not None:
                yield problem

    def write(self, name: str, content: Callable[[BinaryIO], object]) -> str:
        """Write a whole state or nothing, and return its sha256.

        Until `publish` names it, the run resumes from the state before. A first state whose pointer
        was never written goes.
        """
        self.folder.mkdir(exist_ok=True)  # of a run that was taken away nothing comes back
        if self.entry() is None:
            for orphan in self._states():
                discard(orphan)
        return write_whole(self.folder / name, content)

    def publish(self, entry: Entry) -> list[Entry]:
        """Point to a written state; only the one before it is kept beside it.

        Returns the entries that are kept, the newest first.
        """
        before = self.entry()
        self._point(entry, before)
        keep = [entry] + ([before] if before else [])
        self._keep_only(keep)
        for path in self.folder.glob(f"*{TEMPORARY}"):
            discard(path)
        return keep

    def forget_previous(self) -> None:
        """Keep the latest state alone."""
        latest = self.entry()
        if latest is None or self.entry(previous=True) is None:
            return
        self._point(latest, None)
        self._keep_only([latest])

    def go_on_from(self, entry: Entry) -> None:
        """Have a state as the latest one; what was the latest before is put aside as
        `*.damaged`."""
        latest = self.entry()
        if latest is None or latest == entry:
            return
        self._point(entry, None)
        if (file := self.folder / latest["file"]).exists():
            put_aside(file)

    def delete(self) -> None:
        """Delete all that belongs to checkpoints."""
        discard(self.copy)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _states(self) -> Iterator[Path]:
        return (path for path in self.folder.glob("*.pt") if STATE.fullmatch(path.name))

    def _keep_only(self, kept: list[Entry]) -> None:
        names = {entry["file"] for entry in kept}
        for path in list(self._states()):
            if path.name not in names:
                discard(path)

    def _point(self, latest: Entry | None, previous: Entry | None) -> None:
        entries = {"latest": latest, "previous": previous}
        text = json.dumps({**entries, "sha256": _digest(entries)}, indent=2).encode()
        write_whole(self.pointer, text)
        with by_product(self.copy):
            write_whole(self.copy, text)


def _read(path: Path) -> tuple[Entry, Entry | None]:
    """Both entries of a pointer. ValueError, KeyError or TypeError where they are none."""
    pointer = json.loads(path.read_text())
    entries = {key: pointer[key] for key in ("latest", "previous")}
    if pointer.get("sha256", _digest(entries)) != _digest(entries):
        raise ValueError("is not what was written")
    latest, previous = (None if entry is None else _entry(entry) for entry in entries.values())
    if latest is None:
        raise ValueError("names no state")
    return latest, previous


def _entry(found: Entry) -> Entry:
    return dict(found) | {
        "file": str(found["file"]),
        "sha256": str(found["sha256"]),
        "position": [int(number) for number in found["position"]],
    }


def _digest(entries: dict[str, Any]) -> str:
    """By which a pointer is known to be what was written; earlier versions wrote none."""
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()
