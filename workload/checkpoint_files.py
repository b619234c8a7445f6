"""A run's checkpoints on disk: the newest state and the one before, or neither. Imports no torch.

    RUN/checkpoint/checkpoint.json   names both files, with their sha256 and where they stand
    RUN/checkpoint/<name>            the states

The pointer is written last and atomically: whatever the moment of a kill, it names whole files.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from workload.by_products import discard
from workload.errors import CheckpointError
from workload.files import TEMPORARY, write_whole

POINTER = "checkpoint.json"


class CheckpointFiles:
    """The checkpoint files of one run directory. Nothing is made before the first `write`."""

    def __init__(self, run: Path) -> None:
        self.folder = run / "checkpoint"
        self.pointer = self.folder / POINTER

    def entry(self, *, previous: bool = False) -> dict[str, Any] | None:
        """The pointer's entry, None where there is no pointer or no previous state.

        It holds `file`, `sha256`, `position` (whole numbers) and what else was published with it.

        Raises:
            CheckpointError: the pointer cannot be read, or is missing beside two states; before
                there is a pointer there is at most one.
        """
        if not self.pointer.exists():
            if len(list(self.folder.glob("*.pt"))) > 1:
                raise CheckpointError(self.pointer, "is missing", previous=False)
            return None
        try:
            pointer = json.loads(self.pointer.read_text())
            entry = pointer["previous" if previous else "latest"]
            if entry is None and previous:
                return None
            return dict(entry) | {
                "file": str(entry["file"]),
                "sha256": str(entry["sha256"]),
                "position": [int(number) for number in entry["position"]],
            }
        except (KeyError, TypeError, ValueError) as error:  # also of text that is not JSON
            raise self.damaged_pointer() from error

    def damaged_pointer(self) -> CheckpointError:
        """The error of a pointer whose entries are not what their reader expects."""
        return CheckpointError(self.pointer, "is damaged: no checkpoint's pointer", previous=False)

    def checked_file(self, *, previous: bool = False) -> Path:
        """The path of a state that is there and is what was written.

        Raises:
            CheckpointError: it is not.
        """
        entry = self.entry(previous=previous)
        if entry is None:
            raise CheckpointError(self.pointer, "is missing", previous=False)
        fallback = not previous and self.entry(previous=True) is not None
        file: Path = self.folder / entry["file"]
        if not file.exists():
            raise CheckpointError(file, "is missing", previous=fallback)
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != entry["sha256"]:
            raise CheckpointError(file, "is damaged: it is not what was written", previous=fallback)
        return file

    def write(self, name: str, content: Callable[[BinaryIO], object]) -> str:
        """Write a whole file or nothing, and return its sha256.

        Until `publish` names it, the run resumes from the state before. A first state whose pointer
        was never written goes.
        """
        self.folder.mkdir(exist_ok=True)  # of a run that was taken away nothing comes back
        if name != POINTER and not self.pointer.exists():
            for orphan in self.folder.glob("*.pt"):
                discard(orphan)
        return write_whole(self.folder / name, content)

    def publish(self, entry: dict[str, Any]) -> list[dict[str, Any]]:
        """Point to a written state; only the one before it is kept beside it.

        Returns the entries that are kept, the newest first.
        """
        before = self.entry()
        self._point(entry, before)
        keep = [entry] + ([before] if before else [])
        names = {kept["file"] for kept in keep}
        for path in (*self.folder.glob("*.pt"), *self.folder.glob(f"*{TEMPORARY}")):
            if path.name not in names:
                discard(path)
        return keep

    def forget_previous(self) -> None:
        """Keep the latest state alone."""
        latest = self.entry()
        if latest is None or self.entry(previous=True) is None:
            return
        self._point(latest, None)
        for path in self.folder.glob("*.pt"):
            if path.name != latest["file"]:
                discard(path)

    def withdraw_latest(self) -> None:
        """Make the previous state the latest, and put the latest aside as `*.damaged`."""
        latest = self.entry()
        self._point(self.entry(previous=True), None)
        if latest and (file := self.folder / latest["file"]).exists():
            file.rename(file.with_suffix(".damaged"))

    def _point(self, latest: dict[str, Any] | None, previous: dict[str, Any] | None) -> None:
        text = json.dumps({"latest": latest, "previous": previous}, indent=2)
        self.write(POINTER, lambda stream: stream.write(text.encode()))
