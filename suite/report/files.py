"""The files of a report, each written whole; those of an earlier report make way."""

import os
import re
from pathlib import Path

from suite.errors import UserError
from suite.report.csv_format import csv_text
from suite.report.document import Document
from suite.report.latex import latex
from suite.report.markdown import markdown
from suite.report.page import page

PAGE, TEXT, PROVENANCE = "report.html", "report.md", "provenance.md"
LINKS = re.compile(r"\(((?:tables|figures)/[\w.-]+)\)")


def check(out: Path) -> None:
    """Raise UserError where `out` is a file, or a folder with something but a report in it."""
    if not out.is_dir():
        if out.exists():
            raise UserError(f"--out: {out} is a file; name a folder")
        return
    if any(out.iterdir()) and not (out / TEXT).exists():
        raise UserError(
            f"--out: {out} has files in it that are no report; name a new or an empty folder"
        )


def write(document: Document, circumstances: str, out: Path) -> list[Path]:
    """Write the report; returns the paths of its main files and folders.

    Files that an earlier report in `out` names and this one does not have are deleted.
    """
    earlier = _named(out / TEXT)
    text = markdown(document)
    for table in document.tables:
        _replace(
            out / "tables" / f"{table.name}.csv", csv_text(table).encode(errors="backslashreplace")
        )
        _replace(
            out / "tables" / f"{table.name}.tex", latex(table).encode(errors="backslashreplace")
        )
    for picture in document.pictures:
        _replace(out / "figures" / f"{picture.name}.png", picture.png)
        _replace(out / "figures" / f"{picture.name}.pdf", picture.pdf)
    _replace(out / TEXT, text.encode(errors="backslashreplace"))
    _replace(out / PAGE, page(document).encode(errors="backslashreplace"))
    _replace(out / PROVENANCE, circumstances.encode(errors="backslashreplace"))
    for name in earlier - set(LINKS.findall(text)):
        (out / name).unlink(missing_ok=True)
    folders = [out / name for name in ("tables", "figures") if (out / name).is_dir()]
    return [out / PAGE, out / TEXT, out / PROVENANCE, *folders]


def _named(report: Path) -> set[str]:
    try:
        return set(LINKS.findall(report.read_text(encoding="utf-8", errors="replace")))
    except FileNotFoundError:
        return set()


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)
