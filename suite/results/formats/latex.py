"""A table as LaTeX, to be put into a paper with \\input. Needs no package."""

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


def latex(table: Table) -> str:
    """A table environment with caption and label; cells of several lines are stacked."""
    columns = "l" * len(table.head)
    lines = [" & ".join(_cell(Cell((text,))) for text in table.head) + r" \\"]
    body = [" & ".join(map(_cell, row)) + r" \\" for row in table.rows]
    return "\n".join(
        [
            r"\begin{table*}",
            r"\centering",
            r"\scriptsize",
            r"\setlength{\tabcolsep}{3pt}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\hline",
            *lines,
            r"\hline",
            *body,
            r"\hline",
            r"\end{tabular}",
            rf"\caption{{{escape(table.title)}. {escape(table.caption)}}}",
            rf"\label{{tab:{table.name}}}",
            r"\end{table*}",
            "",
        ]
    )


def _cell(cell: Cell) -> str:
    first, *rest = map(escape, cell.lines)
    if cell.bold:
        first = rf"\textbf{{{first}}}"
    if not rest:
        return first
    return r"\shortstack[l]{" + r"\\".join([first, *rest]) + r"\rule{0pt}{2.2ex}}"


def escape(text: str) -> str:
    """Plain text as LaTeX that prints it."""
    return "".join(SPECIAL.get(letter, letter) for letter in text)
