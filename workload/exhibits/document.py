"""What a report consists of, before any format: sections of paragraphs, tables and pictures."""

from dataclasses import dataclass

Value = str | int | float | None


@dataclass(frozen=True)
class Cell:
    """Lines of plain text that stand under each other; the first may be bold."""

    lines: tuple[str, ...]
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """A table to be read, and the same numbers to be computed with.

    Attributes:
        name: of its files.
        title: in a few words.
        caption: what stands in it, how it was computed and from where it comes.
        head: a heading per column.
        rows: a cell per column each.
        data_head: the columns of the CSV file.
        data: its rows; unrounded numbers, None where there is no value.
    """

    name: str
    title: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    data_head: tuple[str, ...]
    data: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A figure, already drawn for screen and for paper."""

    name: str
    title: str
    caption: str
    png: bytes
    pdf: bytes


@dataclass(frozen=True)
class Section:
    """A part of the report with its heading."""

    title: str
    paragraphs: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Document:
    """The whole report."""

    title: str
    paragraphs: tuple[str, ...]
    sections: tuple[Section, ...]

    @property
    def tables(self) -> list[Table]:
        return [table for section in self.sections for table in section.tables]

    @property
    def pictures(self) -> list[Picture]:
        return [picture for section in self.sections for picture in section.pictures]


def cell(*lines: str, bold: bool = False) -> Cell:
    return Cell(lines, bold)
