"""CSV, LaTeX and Markdown say what a table says, whatever the names in it."""

import csv
import io
import math
import re
import shutil
import subprocess

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
    other = r"\{\\ifdefined\\Uchar ([^\\{}]+)\\else ((?:\{\[\}U\+[0-9A-F]{4,6}\])+)\\fi\}"
    pattern = "|".join([other, *map(re.escape, words)]) + r"|\\([{}&%$#_])|([^\\{}&%$#_~^])"

    def one(match):
        if match[1]:
            numbers = re.findall(r"U\+(\w+)", match[2])
            assert match[1] == "".join(chr(int(number, 16)) for number in numbers)
        return match[1] or words.get(match[0]) or match[3] or match[4]

    assert re.fullmatch(f"(?:{pattern})*", text), text
    return re.sub(pattern, one, text)


@pytest.mark.parametrize("name", [*NAMES, "19.2 \N{PLUS-MINUS SIGN} 1.1 \N{MINUS SIGN}3"])
def test_latex_prints_the_text_and_knows_no_other_command_in_it(name):
    assert of_latex(latex_escape(name)) == name


def lines_of(text):
    """The lines of a LaTeX table between its middle and its last rule, a list of cells each."""
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].replace(r"\addlinespace", "")
    lines = [line for line in body.strip().split("\\\\\n") if line.strip()]
    return [re.split(r"(?<!\\) ?& ", line.removesuffix(r"\\").strip()) for line in lines]


def test_a_latex_table_has_as_many_cells_as_columns_and_balanced_braces():
    text = latex(table())
    lines = [[cell.strip() for cell in line] for line in lines_of(text)]
    assert {len(line) for line in lines} == {3}
    for first, second, name in zip(lines[::2], lines[1::2], NAMES, strict=True):
        assert of_latex(first[0]) == name
        bold = first[1].removeprefix(r"{\fontseries{b}\selectfont ").removesuffix("}")
        assert of_latex(bold) == name
        assert first[2] == "1"
        assert second[:2] == ["", ""]  # a number stands beside its neighbour's name
        assert of_latex(second[2].removeprefix(r"{\tiny ").removesuffix("}")) == name
    bare = re.sub(r"\\.", "", text, flags=re.DOTALL)
    depth = 0
    for letter in bare:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    named = re.findall(r"\\(begin|end)\{([\w*]+)", text)
    assert [kind for kind, _ in named] == ["begin"] * 3 + ["end"] * 3
    assert [name for _, name in named[:3]] == [name for _, name in named[:2:-1]]


def column(*texts, title="t"):
    rows = tuple((Cell((text,)),) for text in texts)
    return Table("t", title, "", ("x",), rows, (), ())


def width(text):
    """Letters of a printed cell, blanks included, up to a decimal point and behind it."""
    printed = re.sub(r"\\phantom\{([^}]*)\}", r"\1", text.replace(r"$\pm$", "\N{PLUS-MINUS SIGN}"))
    printed = printed.replace("$-$", "\N{MINUS SIGN}")
    return len(printed)


def test_numbers_are_aligned_at_the_decimal_point_whatever_digits_they_have():
    texts = ("19.2 ± 1.1", "1,300 ± 300", "\N{MINUS SIGN}20.5 ± 0.25", "7 ± -", "-")
    cells = [line[0] for line in lines_of(latex(column(*texts)))]
    # Flush right: behind the point of the mean, and of the deviation, all have one width.
    ends = [cell.partition("$\\pm$")[2] if "pm" in cell else cell for cell in cells]
    assert len({width(end) for end in ends[:4]}) == 1
    assert cells[0] == r"19.2 $\pm$ \phantom{00}1.1\phantom{0}"
    assert cells[1] == r"1,300\phantom{.0} $\pm$ 300\phantom{.00}"
    assert r"\begin{tabular}{r}" in latex(column(*texts))
    assert r"\begin{tabular}{l}" in latex(column("none", "l2"))
    assert r"\begin{tabular}{l}" in latex(column("-", "1e-3", "1e-4"))


def test_one_number_of_another_form_leaves_the_others_aligned():
    cells = [line[0] for line in lines_of(latex(column("1.5", "22.25", "3.3e23")))]
    assert cells == [r"1.5\phantom{0}", "22.25", "3.3e23"]


@pytest.mark.parametrize(
    ("columns", "environment"),
    [(1, "table"), (4, "table*"), (7, "sidewaystable*")],
)
def test_a_wide_table_has_both_columns_or_stands_in_landscape(columns, environment):
    head = tuple(f"column {place:02d}" for place in range(columns))
    rows = ((Cell(("a" * 18,)),) * columns,)
    text = latex(Table("t", "", "", head, rows, (), ()))
    assert rf"\begin{{{environment}}}" in text
    packages = re.findall(r"usepackage\{(\w+)\}", text)
    used = {"booktabs": r"\toprule", "rotating": "sidewaystable", "adjustbox": "{adjustbox}"}
    assert {name for name, mark in used.items() if mark in text} == set(packages)


def test_latex_itself_numbers_the_tables():
    assert r"\caption{Scores by scheme. }" in latex(column("1", title="Table 1: scores by scheme"))


def compiled(tables, engine, tmp_path):
    """Typeset tables in a paper of two columns; what LaTeX has to say of it."""
    if not shutil.which(engine):
        pytest.skip(f"{engine} is not installed")
    head = r"\documentclass[twocolumn]{article}\usepackage{booktabs,rotating,adjustbox}"
    body = "".join(map(latex, tables))
    (tmp_path / "paper.tex").write_text(
        rf"{head}\begin{{document}}Text.{body}\end{{document}}", encoding="utf-8"
    )
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert answer.returncode == 0, answer.stdout
    return answer.stdout


def test_a_table_that_no_page_holds_comes_in_parts_with_every_row_once():
    text = latex(column(*map(str, range(200))))
    rows = re.findall(r"^(?:\\phantom\{0+\})?(\d+) \\\\$", text, re.MULTILINE)
    assert rows == [str(number) for number in range(200)]
    captions = re.findall(r"\\caption\{(.*)\}", text)
    assert captions == ["T (1 of 4). ", "T (2 of 4).", "T (3 of 4).", "T (4 of 4)."]
    assert text.count(r"\label{tab:t}") == 1


@pytest.mark.parametrize("engine", ["pdflatex", "xelatex"])
def test_tables_compile_and_none_is_wider_than_its_place(engine, tmp_path):
    """Of hostile names, of numbers, of a corpus in another script; one far wider than a page, and
    one far longer."""
    wide = tuple(f"column {place:02d}" for place in range(30))
    script = "\u8a9e\N{CYRILLIC SMALL LETTER YU} \N{ARABIC LETTER BEH}"
    tables = [
        table(),
        column("19.2 ± 1.1", "-", "7 ± -"),
        column(*map(str, range(200))),
        column(script, title=f"BLEU of {script}"),
        Table("w", "", "", wide, ((Cell(("a" * 18,), bold=True),) * 30,), (), ()),
    ]
    said = compiled(tables, engine, tmp_path)
    assert "Overfull" not in said
    assert "too large" not in said


def test_nothing_that_begins_a_latex_line_is_an_option_of_the_line_before():
    r"""`\\[2cm]` and `\\*` would be distances; so would a cell's second line be."""
    for name in ("[2cm] a", "* a"):
        rows = ((Cell(("a", name)), Cell(("b",))), (Cell((name,)), Cell(("c",))))
        text = latex(Table("t", "", "", ("x", "y"), rows, (), ()))
        assert re.findall(r"\\\\\s*[\[*]", text) == []
