"""A report as Markdown; everything from disk is escaped."""

import re

from workload.exhibits.document import Cell, Document, Picture, Section, Table

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$])")


def markdown(document: Document) -> str:
    """The whole report, with links to the files beside it."""
    parts = [f"# {escape(document.title)}", *map(escape, document.paragraphs)]
    parts.append("Revisions, versions, hardware, hours and failures: [provenance](provenance.md).")
    for section in document.sections:
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def markdown_table(table: Table) -> str:
    """The table alone, in GitHub's form; a cell's lines are parted by <br>."""
    return grid(table.head, [[_cell(cell) for cell in row] for row in table.rows])


def grid(head: tuple[str, ...], rows: list[list[str]]) -> str:
    """Rows of cells that are Markdown already, under a heading that is plain text."""
    lines = [[escape(text) for text in head], ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def escape(text: str) -> str:
    """Plain text as Markdown that shows it, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _section(section: Section) -> list[str]:
    parts = [f"## {escape(section.title)}", *map(escape, section.paragraphs)]
    for table in section.tables:
        files = f"[CSV](tables/{table.name}.csv), [LaTeX](tables/{table.name}.tex)"
        parts += [f"### {escape(table.title)}", markdown_table(table)]
        parts.append(f"{escape(table.caption)} {files}")
    for picture in section.pictures:
        parts += [f"### {escape(picture.title)}", _image(picture)]
    return parts


def _image(picture: Picture) -> str:
    image = f"![{escape(picture.title)}](figures/{picture.name}.png)"
    return f"{image}\n\n{escape(picture.caption)} [PDF](figures/{picture.name}.pdf)"


def _cell(cell: Cell) -> str:
    first, *rest = map(escape, cell.lines)
    if cell.bold:
        first = f"**{first}**"
    return "<br>".join([first, *rest])
