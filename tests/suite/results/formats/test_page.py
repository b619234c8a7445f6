"""The HTML page is one file without scripts, and shows every text as text."""

import base64
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from suite.results.formats.page import page
from tests.workload.exhibits.hostile import NAMES, PNG, document
from workload.exhibits.document import Document, Section

VOID = ("meta", "img")


class Reader(HTMLParser):
    """Elements with their attributes, and text by the element it stands in."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.text = [], [], {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
            self.text.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in self.open:
            self.text[tag][-1] += data


@pytest.fixture(scope="module")
def read():
    return Reader(page(document(), "# Provenance <b>", "wdbench 1"))


def attributes(read, *names):
    return [value for _, found in read.elements for key, value in found.items() if key in names]


def test_every_element_is_closed(read):
    assert read.open == []


def test_there_is_no_element_but_those_of_a_document(read):
    assert {tag for tag, _ in read.elements} == {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "a", "nav"),
        *("ul", "li", "div", "table", "thead", "tbody", "tr", "th", "td", "b", "small"),
        *("figure", "img", "figcaption", "details", "summary", "pre"),
    }
    keys = {key for _, found in read.elements for key in found}
    assert keys == {"lang", "charset", "name", "content", "href", "id", "class", "alt", "src"}


def test_nothing_comes_from_elsewhere(read):
    (source,) = attributes(read, "src")
    assert source == "data:image/png;base64," + base64.b64encode(PNG).decode()
    targets = {f"#{name}" for name in attributes(read, "id")}
    assert set(attributes(read, "href")) == targets
    (style,) = read.text["style"]
    assert "url(" not in style
    assert "@import" not in style


def test_ids_are_unique(read):
    names = attributes(read, "id")
    assert len(set(names)) == len(names) == 3


def test_every_name_is_shown_as_text(read):
    assert read.text["title"] == [NAMES[0]]
    assert read.text["h1"] == [NAMES[0]]
    assert read.text["b"] == list(NAMES)
    assert read.text["small"] == list(NAMES)
    assert read.text["td"][::3] == list(NAMES)
    assert read.text["figcaption"] == [" ".join(NAMES)]
    assert attributes(read, "alt") == [NAMES[2]]
    assert set(NAMES) <= set(read.text["p"])


def test_version_and_provenance_stand_in_the_page_itself(read):
    assert "wdbench 1" in read.text["p"]
    assert read.text["pre"] == ["# Provenance <b>"]


def test_a_table_and_a_figure_of_one_name_have_two_ids():
    table, picture = (getattr(document().sections[0], kind)[0] for kind in ("tables", "pictures"))
    section = Section("s", (), (replace(table, name="x"),), (replace(picture, name="x"),))
    found = attributes(Reader(page(Document("t", (), (section,)))), "id")
    assert sorted(found) == ["figure-x", "large-x", "table-x"]


def test_a_table_has_its_cells(read):
    assert read.text["th"] == ["name", NAMES[1], "number"]
    assert len(read.text["td"]) == 3 * len(NAMES)
    assert read.text["td"][2::3] == [f"1{name}" for name in NAMES]


def test_a_table_of_many_rows_opens_on_request_and_names_its_file():
    (table,) = document().sections[0].tables
    long = replace(table, rows=table.rows * 9)
    found = Reader(page(Document("t", (), (Section("s", (), (long,)),))))
    assert found.text["summary"] == ["81 rows, also in tables/names.csv"]
    assert len(found.text["td"]) == 3 * 81
