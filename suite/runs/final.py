"""The final record of a run, done.json: how it ended, and what its files were then.

By their SHA-256, and by its own, damage to what has been computed is found.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from workload.errors import UserError
from workload.files import TEMPORARY, finite, read_json, sync, write_json

FILE = "done.json"
RESULTS = ("config.json", "*/*.pt", "weights/*", "*.txt")
"""What a run leaves beside rows: its recipe, weights and what they come with, texts."""
WAY_ON = (
    f"while its checkpoint/ is there, move {FILE} away and give the command of the run again: it "
    "is written anew"
)
Record = dict[str, Any]


def write_final(run: Path, record: Record, row_files: Sequence[str]) -> None:
    """Write the record of a run that has ended; what it vouches for is on the disk before it is.

    Args:
        run: its directory.
        record: its status and figures.
        row_files: names of its files of rows.
    """
    digests = {}
    for name in _results(run, row_files):
        if digest := _sha256(run / name):
            sync(run / name)
            digests[name] = digest
    whole = finite(record | {"sha256": digests})
    write_json(run / FILE, whole | {"seal": _seal(whole)})


def read_final(run: Path) -> Record | None:
    """The record; None while the run has not ended.

    Raises:
        UserError: it is damaged.
    """
    try:
        record = read_json(run / FILE)
    except UserError as error:
        raise UserError(f"{error}; {WAY_ON}") from error
    if record is None:
        return None
    rest = {key: value for key, value in record.items() if key != "seal"}
    sound = record.get("seal", _seal(rest)) == _seal(rest)  # earlier versions wrote none
    ended = record.get("status") in ("finished", "diverged")
    if not sound or not ended or not isinstance(record.get("sha256", {}), dict):
        raise UserError(f"{run / FILE} is damaged: it is not what was written; {WAY_ON}")
    return record


def damaged(run: Path, names: Collection[str] | None = None) -> list[str]:
    """What is wrong with files of a run that has ended, all or some of them.

    Raises:
        UserError: the final record is damaged.
    """
    digests: dict[str, str] = (read_final(run) or {}).get("sha256", {})
    problems = []
    for name, digest in digests.items():
        if names is not None and name not in names:
            continue
        found = _sha256(run / name)
        if found is None:
            problems.append(f"{run / name} is missing or cannot be read")
        elif found != digest:
            problems.append(f"{run / name} is damaged: it is not what it was when the run ended")
    return problems


def _results(run: Path, row_files: Sequence[str]) -> list[str]:
    found = (path for pattern in RESULTS for path in run.glob(pattern) if path.is_file())
    kept = {
        str(path.relative_to(run))
        for path in found
        if path.parent.name != "checkpoint" and not path.name.endswith(TEMPORARY)
    }
    return [*row_files, *sorted(kept)]


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def _seal(record: Record) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
