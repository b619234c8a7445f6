"""A report against an earlier one says which numbers have changed, and no others."""

import csv
from dataclasses import replace

import pytest

from suite.results import report_files
from suite.results.against import against
from workload.errors import UserError
from workload.exhibits.document import Document, Section, Table

HEAD = ("scheme", "lambda", "mean", "standard_deviation", "seed", "p_value")
ROWS = (
    ("none", 0.0, 1 / 3, None, 0, 0.5),
    ("l2", 1e-3, 2.0, 0.25, 0, 0.1),
    ("l2", 1e-3, 2.0, 0.25, 1, 0.2),
)


def document(rows=ROWS, name="scores"):
    table = Table(name, "Scores", "", (), (), HEAD, tuple(rows))
    return Document("t", (), (Section("s", (), (table,)),))


@pytest.fixture
def earlier(tmp_path):
    report_files.write(document(), "", tmp_path)
    return tmp_path


def changes(section):
    """Rows of the second table, less its name."""
    return [line[1:] for line in section.tables[1].data]


def test_the_same_numbers_are_no_change(earlier):
    section = against(document(), earlier)
    (summary,) = section.tables
    assert summary.data == (("scores", 3, 0, 0, 8, 0),)
    assert section.paragraphs[-1] == "No number that both have is another one."


def test_a_number_that_differs_in_its_last_bit_is_named_with_both_sides(earlier):
    other = 0.1 + 2**-56
    section = against(document((*ROWS[:1], (*ROWS[1][:-1], other), ROWS[2])), earlier)
    assert changes(section) == [("l2 0.001 0", "p_value", 0.1, other, other - 0.1)]
    assert section.tables[0].data == (("scores", 3, 0, 0, 8, 1),)
    assert other != 0.1


def test_rows_that_one_report_has_alone_are_counted(earlier):
    more = ("stable", 1e-3, 1.0, 0.1, 0, 0.3)
    summary = against(document((*ROWS[1:], more)), earlier).tables[0]
    assert summary.data[0][1:4] == (2, 1, 1)


def test_the_largest_change_comes_first_and_a_missing_number_last(earlier):
    rows = (("none", 0.0, 0.3, 0.5, 0, 0.1), *ROWS[1:])
    found = changes(against(document(rows), earlier))
    assert found == [
        ("none 0 0", "p_value", 0.5, 0.1, -0.4),
        ("none 0 0", "mean", 1 / 3, 0.3, 0.3 - 1 / 3),
        ("none 0 0", "standard_deviation", None, 0.5, None),
    ]


def test_a_table_that_the_earlier_report_has_not_is_said(earlier):
    section = against(document(name="other"), earlier)
    assert section.paragraphs[1] == "That report does not have: Scores."


def test_where_there_is_no_report_it_is_an_error(tmp_path):
    with pytest.raises(UserError, match=f"--against: {tmp_path} holds no report"):
        against(document(), tmp_path)


def test_the_revision_of_the_earlier_report_is_told(earlier):
    (earlier / "provenance.md").write_text("Report written by revision 1a2b, python 3.11.\n")
    told = against(document(), earlier).paragraphs[0]
    assert told == f"Compared with the report in {earlier}, which revision 1a2b wrote."


def test_a_report_with_changes_has_them_in_a_file(earlier):
    rows = (*ROWS[:2], (*ROWS[2][:-1], 0.4))
    whole = document(rows)
    section = against(whole, earlier)
    report_files.write(replace(whole, sections=(*whole.sections, section)), "", earlier)
    with (earlier / "tables" / "changes.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["row"], float(line["there"]), float(line["here"])) == ("l2 0.001 1", 0.2, 0.4)
