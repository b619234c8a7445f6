"""A report's files: all there, those of an earlier report gone, those of others untouched."""

import csv
import dataclasses

import pytest

from suite.results import report_files
from tests.suite.results.runs import contents
from tests.workload.exhibits.hostile import NAMES, PNG, document, table
from workload.errors import UserError
from workload.exhibits.document import Document, Picture, Section


def named(*tables, pictures=(), texts=NAMES):
    """A document with tables and pictures of these names."""
    return Document(
        "A title",
        texts,
        (
            Section(
                *("Games", ()),
                tuple(table(name, texts) for name in tables),
                tuple(Picture(name, name, "", PNG, b"%PDF") for name in pictures),
            ),
        ),
    )


def test_every_table_and_picture_has_its_files(tmp_path):
    out = tmp_path / "a" / "report"
    main = report_files.write(named("one", "two", pictures=["curve"]), "where and when", out)
    assert sorted(contents(out)) == [
        *("figures/curve.pdf", "figures/curve.png", "provenance.md", "report.html", "report.md"),
        *("tables/one.csv", "tables/one.tex", "tables/two.csv", "tables/two.tex"),
    ]
    assert (out / "figures" / "curve.png").read_bytes() == PNG
    assert (out / "figures" / "curve.pdf").read_bytes() == b"%PDF"
    assert (out / "provenance.md").read_text() == "where and when"
    assert all(path.exists() for path in main)
    with (out / "tables" / "one.csv").open(newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["name", *NAMES]


def test_files_that_the_new_report_has_not_are_deleted(tmp_path):
    report_files.write(named("one", "two", pictures=["curve", "norm"]), "", tmp_path)
    report_files.write(named("two", pictures=["norm"]), "", tmp_path / "fresh")
    fresh = contents(tmp_path / "fresh")
    report_files.write(named("two", pictures=["norm"]), "", tmp_path)
    left = {name: data for name, data in contents(tmp_path).items() if "fresh" not in name}
    assert left == fresh


def test_files_of_others_stay_whatever_a_report_says_of_them(tmp_path):
    """NAMES has `](tables/mine.csv)` and its like: text from disk, not a link of a report's."""
    report_files.write(named("one"), "", tmp_path)
    mine = ["tables/mine.csv", "figures/mine.png", "notes.txt", "tables/deeper/one.csv"]
    for name in mine:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    report_files.write(named("two"), "", tmp_path)
    report_files.write(named("three", texts=("plain", "words", "alone")), "", tmp_path)
    assert all((tmp_path / name).read_text() == "mine" for name in mine)
    assert not (tmp_path / "tables" / "one.csv").exists()


def test_a_report_that_was_killed_half_way_can_be_written_again(tmp_path, monkeypatch):
    whole = report_files._replace

    def killed(path, data):
        if path.suffix == ".tex":
            raise KeyboardInterrupt
        whole(path, data)

    monkeypatch.setattr(report_files, "_replace", killed)
    with pytest.raises(KeyboardInterrupt):
        report_files.write(named("one", "two"), "", tmp_path / "out")
    monkeypatch.setattr(report_files, "_replace", whole)
    report_files.check(tmp_path / "out")
    report_files.write(named("two"), "", tmp_path / "out")
    report_files.write(named("two"), "", tmp_path / "fresh")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_names_that_no_file_can_hold_are_written_all_the_same(tmp_path):
    odd = dataclasses.replace(document(), title="\ud800 half a letter")
    report_files.write(odd, "\udfff", tmp_path)
    assert "\\ud800 half a letter" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_new_an_empty_and_a_reports_folder_are_places_for_a_report(tmp_path):
    (tmp_path / "empty").mkdir()
    report_files.write(named("one"), "", tmp_path / "earlier")
    for name in ("new", "empty", "earlier"):
        report_files.check(tmp_path / name)
    assert not (tmp_path / "new").exists()


def test_a_report_of_before_there_was_a_mark_is_known_by_its_title(tmp_path):
    (tmp_path / "report.md").write_text("# Weight decay inside Adam: what the runs show\n\nAfter")
    report_files.check(tmp_path)
    report_files.write(named("one"), "", tmp_path)
    assert (tmp_path / "report.md").read_text().startswith(f"{report_files.MARK}\n\n# A title\n")


@pytest.mark.parametrize(
    "made",
    [
        lambda out: out.write_text("a file"),
        lambda out: (out.mkdir(), (out / "thesis.tex").write_text("mine")),
        lambda out: (out.mkdir(), (out / "report.md").write_text("# My report\n")),
        lambda out: (out / "report.md").mkdir(parents=True),
        lambda out: (out.mkdir(), (out / "config.json").write_text("{}")),
    ],
    ids=["a file", "other files", "another report.md", "a folder report.md", "a run"],
)
def test_a_place_with_other_things_is_refused_and_left_as_it_is(tmp_path, made):
    out = tmp_path / "out"
    made(out)
    before = contents(tmp_path)
    with pytest.raises(UserError, match=r"--out: .*out "):
        report_files.check(out)
    assert contents(tmp_path) == before
