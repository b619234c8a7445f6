"""CSV, LaTeX and Markdown say what a table says, whatever the names in it."""

import csv
import io
import math
import re

import pytest

from suite.results.formats.csv_format import csv_text
from suite.results.formats.latex import escape as latex_escape
from suite.results.formats.latex import latex
from suite.results.formats.markdown import escape, markdown, markdown_table
from tests.workload.exhibits.hostile import NAMES, document, table
from workload.exhibits.document import Cell, Table


def numbers(*values):
    return Table("n", "", "", ("n",), (), ("value",), tuple((value,) for value in values))


def test_numbers_of_a_csv_file_read_back_equal():
    values = [1 / 3, 0.1, 1e-300, -2.5e17, 5, 0, math.pi, 123456789.123456789]
    head, *rows = csv.reader(io.StringIO(csv_text(numbers(*values))))
    assert head == ["value"]
    assert [float(row[0]) for row in rows] == values


def test_no_value_is_an_empty_field():
    mixed = Table("n", "", "", (), (), ("a", "b", "c"), ((None, 1.5, None),))
    assert csv_text(mixed) == "a,b,c\n,1.5,\n"


def test_names_of_a_csv_file_read_back_equal():
    texts = (*NAMES, 'a "quoted", name', "two\nlines", "")
    head, *rows = csv.reader(io.StringIO(csv_text(table(texts=texts)), newline=""))
    assert head == ["name", NAMES[1], "number"]
    assert [row[0] for row in rows] == list(texts)
    assert [float(row[2]) for row in rows] == [place / 7 for place in range(len(texts))]


def split_cells(line):
    """A Markdown line's cells: parted by the bars that no backslash stands before."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def shown(text):
    """What Markdown shows of escaped text."""
    return re.sub(r"\\([\\`*_{}\[\]<>#|~&$])", r"\1", text)


def test_a_markdown_line_has_as_many_cells_as_columns_and_shows_each_text():
    head, rule, *rows = map(split_cells, markdown_table(table()).splitlines())
    assert shown(head[1]) == NAMES[1]
    assert rule == ["---"] * 3
    for cells, name in zip(rows, NAMES, strict=True):
        assert len(cells) == 3
        assert shown(cells[0]) == name
        assert shown(cells[1].removeprefix("**").removesuffix("**")) == name
        assert [shown(line) for line in cells[2].split("<br>")] == ["1", name]


def test_markdown_has_no_html_and_no_links_but_its_own():
    text = markdown(document())
    own = text.replace("<br>", "")
    assert re.findall(r"(?<!\\)<", own) == []
    links = re.findall(r"(?<!\\)\]\(([^)]*)\)", text)
    files = ["tables/names.csv", "tables/names.tex", "figures/figure.png", "figures/figure.pdf"]
    assert links == ["provenance.md", *files]


def test_text_of_several_lines_stays_on_one():
    assert escape("a\n# b\r\n\tc  d") == "a \\# b c d"


def test_markdown_headings_are_the_documents_own():
    lines = markdown(document()).splitlines()
    marks = [line.split()[0] for line in lines if line.startswith("#")]
    assert marks == ["#", "##", "###", "###"]


def of_latex(text):
    """What LaTeX prints of escaped text."""
    words = {
        r"\textbackslash{}": "\\",
        r"\textasciitilde{}": "~",
        r"\textasciicircum{}": "^",
        r"\textless{}": "<",
        r"\textgreater{}": ">",
        r"\textbar{}": "|",
        "$*$": "*",
        "$-$": "\N{MINUS SIGN}",
        r"$\pm$": "\N{PLUS-MINUS SIGN}",
        "{[}": "[",
    }
    pattern = "|".join(map(re.escape, words)) + r"|\\([{}&%$#_])|([^\\{}&%$#_~^])"

    def one(match):
        return words.get(match[0]) or match[1] or match[2]

    assert re.fullmatch(f"(?:{pattern})*", text), text
    return re.sub(pattern, one, text)


@pytest.mark.parametrize("name", [*NAMES, "19.2 \N{PLUS-MINUS SIGN} 1.1 \N{MINUS SIGN}3"])
def test_latex_prints_the_text_and_knows_no_other_command_in_it(name):
    assert of_latex(latex_escape(name)) == name


def test_a_latex_table_has_as_many_cells_as_columns_and_balanced_braces():
    text = latex(table())
    body = text.split(r"\hline")[2].strip().split("\\\\\n")
    assert len(body) == len(NAMES)
    for line, name in zip(body, NAMES, strict=True):
        first, second, third = re.split(r"(?<!\\) & ", line.removesuffix(r"\\"))
        assert of_latex(first.strip()) == name
        assert of_latex(second.removeprefix(r"\textbf{").removesuffix("}")) == name
        stacked = third.strip().removeprefix(r"\shortstack[l]{1\\")
        assert of_latex(stacked.removesuffix(r"\rule{0pt}{2.2ex}}")) == name
    bare = re.sub(r"\\.", "", text, flags=re.DOTALL)
    depth = 0
    for letter in bare:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    assert re.findall(r"\\(begin|end)\{(\w+)", text) == [
        *(("begin", "table"), ("begin", "tabular"), ("end", "tabular"), ("end", "table"))
    ]


def test_nothing_that_begins_a_latex_line_is_an_option_of_the_line_before():
    r"""`\\[2cm]` and `\\*` would be distances; so would a cell's second line be."""
    for name in ("[2cm] a", "* a"):
        rows = ((Cell(("a", name)), Cell(("b",))), (Cell((name,)), Cell(("c",))))
        text = latex(Table("t", "", "", ("x", "y"), rows, (), ()))
        assert re.findall(r"\\\\\s*[\[*]", text) == []
