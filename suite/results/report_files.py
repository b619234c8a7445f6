"""The files of a report, each written whole; those of an earlier report make way."""

import re
from pathlib import Path

from suite.results.formats.csv_format import csv_text
from suite.results.formats.latex import latex
from suite.results.formats.markdown import markdown
from suite.results.formats.page import page
from workload.errors import UserError
from workload.exhibits.document import Document
from workload.files import write_whole

MARK = "<!-- a report of wdbench: `wdbench report` may write over it -->"
"""First line of report.md, by which a later report knows that it may take the folder."""
OLD_MARKS = ("# Weight decay inside Adam: what the runs show\n",)
"""How report.md began before there was a mark."""
PAGE, TEXT, PROVENANCE = "report.html", "report.md", "provenance.md"
# As a report writes them; in text from disk the bracket has a backslash before it.
LINKS = re.compile(r"(?<!\\)\]\(((?:tables/[\w-]+\.(?:csv|tex))|(?:figures/[\w-]+\.(?:png|pdf)))\)")


def check(out: Path) -> None:
    """Raise UserError where `out` is a file, or a folder with something but a report in it."""
    if not out.is_dir():
        if out.exists():
            raise UserError(f"--out: {out} is a file; name a folder")
        return
    if any(out.iterdir()) and not is_report(out):
        raise UserError(
            f"--out: {out} has files in it that are no report; name a new or an empty folder"
        )


def is_report(folder: Path) -> bool:
    """Whether a report has been written there."""
    return _read(folder / TEXT).startswith((f"{MARK}\n", *OLD_MARKS))


def write(document: Document, circumstances: str, out: Path, stamp: str = "") -> list[Path]:
    """Write the report; returns the paths of its main files and folders.

    Files that an earlier report in `out` names and this one does not have are deleted.
    `stamp` is a line on version and date, for the page alone.
    """
    text = f"{MARK}\n\n{markdown(document)}"
    for name in set(LINKS.findall(_read(out / TEXT))) - set(LINKS.findall(text)):
        (out / name).unlink(missing_ok=True)
    # First, so that what a kill leaves is still known as a report.
    _replace(out / TEXT, text.encode(errors="backslashreplace"))
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
    _replace(out / PAGE, page(document, circumstances, stamp).encode(errors="backslashreplace"))
    _replace(out / PROVENANCE, circumstances.encode(errors="backslashreplace"))
    folders = [out / name for name in ("tables", "figures") if (out / name).is_dir()]
    return [out / PAGE, out / TEXT, out / PROVENANCE, *folders]


def _read(report: Path) -> str:
    """The text of an earlier report; empty where there is none."""
    try:
        return report.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
