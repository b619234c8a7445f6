r"""A table as LaTeX, to be put into a paper with \input. Needs booktabs and adjustbox, and rotating
where it stands in landscape, as its first line says."""

import re
from collections.abc import Sequence
from itertools import zip_longest

from workload.exhibits.cells import MINUS, PLUS_MINUS
from workload.exhibits.document import Cell, Table

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "*": r"$*$",  # after a line's end, * and [ would be read as options of it
    "[": "{[}",
    MINUS: "$-$",
    PLUS_MINUS: r"$\pm$",
}
LINES, LINES_ACROSS = 56, 46
"""Lines of a table that a page holds, upright and in landscape, beside a long caption."""
COLUMN, PAGE = 230, 480
"""Widths in points: of one of two columns, and of both."""
LETTER, SEPARATION = 3.6, 6.0
"""Points of a letter in scriptsize, on average, and between two columns."""
LATIN = 0x17F
"""The last letter that every LaTeX prints."""
OTHERS = re.compile(rf"[^\0-{chr(LATIN)}{MINUS}]+")
"""Letters of other scripts: LuaLaTeX and XeLaTeX print them where the font has them."""
FIGURES = re.compile(rf"({MINUS}?[\d,]+|-)(\.\d+)?(?: {PLUS_MINUS} ([\d,]+|-)(\.\d+)?)?")
"""A number, or a sign for none, and what may stand behind a plus-minus sign."""


def latex(table: Table) -> str:
    """A table environment with caption and label; several where a page cannot hold all rows.

    A cell's first line stands beside its neighbours', further lines in lines of their own below.
    Columns of numbers are aligned at the decimal point, and at that of what follows a plus-minus
    sign. The caption has no `Table 1:`, which LaTeX itself puts before it.
    """
    names, packages = _environment(_width(table))
    aligned = [
        _aligned([_line(row[column], 0) for row in table.rows]) for column in range(len(table.head))
    ]
    blocks = [
        _block(row, [own[place] if own else None for own in aligned])
        for place, row in enumerate(table.rows)
    ]
    spec = "".join("r" if own else "l" for own in aligned)
    parts = _parts(blocks, LINES_ACROSS if names.startswith("sideways") else LINES)
    title = re.sub(r"^Table \d+: *", "", table.title)
    title = escape(title[:1].upper() + title[1:])
    lines = ["% " + " ".join(rf"\usepackage{{{name}}}" for name in packages)]
    for number, part in enumerate(parts, 1):
        of = f" ({number} of {len(parts)})" if len(parts) > 1 else ""
        told = f" {escape(table.caption)}" if number == 1 else ""
        lines += [
            rf"\begin{{{names}}}",
            r"\centering",
            r"\scriptsize",
            rf"\setlength{{\tabcolsep}}{{{SEPARATION / 2:g}pt}}",
            r"\begin{adjustbox}{max width=\linewidth}",
            rf"\begin{{tabular}}{{{spec}}}",
            r"\toprule",
            " & ".join(map(escape, table.head)) + r" \\",
            r"\midrule",
            *part,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{adjustbox}",
            rf"\caption{{{title}{of}.{told}}}",
            *([rf"\label{{tab:{table.name}}}"] if number == 1 else []),
            rf"\end{{{names}}}",
        ]
    return "\n".join([*lines, ""])


def _block(row: Sequence[Cell], aligned: Sequence[str | None]) -> list[str]:
    """The lines of a row."""
    first = [
        _bold(cell, escape(_line(cell, 0)) if own is None else own)
        for cell, own in zip(row, aligned, strict=True)
    ]
    further = zip_longest(*(cell.lines[1:] for cell in row), fillvalue="")
    below = [[rf"{{\tiny {escape(text)}}}" if text else "" for text in line] for line in further]
    return [" & ".join(line) + r" \\" for line in (first, *below)]


def _parts(blocks: Sequence[Sequence[str]], most: int) -> list[list[str]]:
    """The lines of some rows each, at most so many; rows of several lines stand apart."""
    parts: list[list[str]] = [[]]
    count = 0
    for block in blocks:
        if count and count + len(block) > most:
            parts.append([])
            count = 0
        count += len(block)
        parts[-1] += [*block, *([r"\addlinespace"] if len(block) > 1 else [])]
    return [part[:-1] if part and part[-1] == r"\addlinespace" else part for part in parts]


def escape(text: str) -> str:
    """Plain text as LaTeX that prints it; of letters beyond the Latin ones pdfLaTeX, which has no
    fonts for them, prints the numbers."""
    parts, end = [], 0
    for match in OTHERS.finditer(text):
        parts += [_latin(text[end : match.start()]), _other(match[0])]
        end = match.end()
    return "".join([*parts, _latin(text[end:])])


def _latin(text: str) -> str:
    return "".join(SPECIAL.get(letter, letter) for letter in text)


def _other(text: str) -> str:
    numbers = "".join(f"{{[}}U+{ord(letter):04X}]" for letter in text)
    return rf"{{\ifdefined\Uchar {text}\else {numbers}\fi}}"


def _environment(width: float) -> tuple[str, Sequence[str]]:
    """The environment for a table of so many points, and the packages that it needs."""
    if width <= COLUMN:
        return "table", ["booktabs", "adjustbox"]
    if width <= PAGE:
        return "table*", ["booktabs", "adjustbox"]
    return "sidewaystable*", ["booktabs", "adjustbox", "rotating"]


def _width(table: Table) -> float:
    """Points, roughly."""
    columns = zip(table.head, *([_text(cell) for cell in row] for row in table.rows), strict=True)
    return sum(LETTER * max(map(len, column)) + SEPARATION for column in columns)


def _text(cell: Cell) -> str:
    return max(cell.lines, key=len, default="")


def _line(cell: Cell, number: int) -> str:
    return cell.lines[number] if number < len(cell.lines) else ""


def _bold(cell: Cell, text: str) -> str:
    """In bold letters as wide as others, where the font has them: `bx` would move the digits."""
    return rf"{{\fontseries{{b}}\selectfont {text}}}" if cell.bold else text


def _aligned(texts: Sequence[str]) -> list[str] | None:
    """A column of figures, to be set flush right: with blanks as wide as the digits that others
    have behind the point, and before it behind a plus-minus sign. None for other columns, in which
    most texts are no figures."""
    found = [FIGURES.fullmatch(text) for text in texts]
    if 2 * sum(map(bool, found)) <= sum(map(bool, texts)):
        return None
    parts = [match.groups(default="") if match else ("", "", "", "") for match in found]
    widest = [max(len(part[place]) for part in parts) for place in range(4)]
    sign = f" {PLUS_MINUS} "
    aligned = []
    for plain, match, (whole, fraction, spread, behind) in zip(texts, found, parts, strict=True):
        if not match:  # of another form, as 3.3e23 is
            aligned.append(escape(plain))
            continue
        text = escape(whole + fraction) + _rest(fraction, widest[1])
        if spread:
            text += escape(sign) + _blank("0" * (widest[2] - len(spread)))
            text += escape(spread + behind) + _rest(behind, widest[3])
        elif widest[2]:
            text += _blank(sign + "0" * widest[2]) + _rest("", widest[3])
        aligned.append(text)
    return aligned


def _rest(fraction: str, width: int) -> str:
    """The space of the digits that a fraction, e.g. `.5`, has fewer than the widest one."""
    return _blank(("." + "0" * width)[len(fraction) : width])


def _blank(text: str) -> str:
    """A space as wide as a text."""
    return rf"\phantom{{{escape(text)}}}" if text else ""
