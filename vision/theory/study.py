"""What a study of a model gives: a table to print, a figure, and numbers for a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workload.errors import UserError
from workload.exhibits.document import Picture
from workload.files import read_json, write_json, write_whole
from workload.output import aligned


@dataclass(frozen=True)
class Study:
    """What was found.

    Attributes:
        head: the table's headings.
        rows: its cells.
        notes: sentences below it.
        data: the same, unrounded and with all curves, as JSON values.
        picture: the figure.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]
    data: dict[str, Any]
    picture: Picture

    def text(self) -> str:
        """The table and what is said about it."""
        return "\n".join(
            [*aligned([self.head, *self.rows], left=1, rule=True), "", *self.notes],
        )


class StudyFiles:
    """NAME.json, NAME.png and NAME.pdf in a folder.

    Args:
        folder: made where it is missing.
        name: of the study.

    Raises:
        UserError: the folder cannot be made, or there are files of these names that no earlier
            study has written.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._name = name
        self._json, self._png, self._pdf = (
            folder / f"{name}.{kind}" for kind in ("json", "png", "pdf")
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"--out: {folder} cannot be made a folder: {error.strerror}; choose another"
            ) from error
        for path in (self._json, self._png, self._pdf):
            if path.exists() and not self._ours():
                raise UserError(
                    f"--out: {path} is there, and not from `theory {name}`: nothing was "
                    "overwritten; choose another folder"
                )

    def write(self, study: Study) -> tuple[Path, Path]:
        """Replace what an earlier study of the name has left; the paths of the figure and the
        numbers."""
        write_json(self._json, {"theory": self._name, **study.data})
        write_whole(self._png, study.picture.png)
        write_whole(self._pdf, study.picture.pdf)
        return self._png, self._json

    def _ours(self) -> bool:
        try:
            content = read_json(self._json)
        except UserError:
            return False
        return content is not None and content.get("theory") == self._name
