"""Verdicts of runs that are gone, from the page that was written of them."""

import csv
from itertools import zip_longest

import pytest

from suite.__main__ import main
from tests.suite.results.runs import translation_run

TABLE = "tables/claims_nlp.csv"


def study(folder, better, seeds=3):
    """Translations in which decoupled decay is better than l2 by `better` and a seed's number."""
    for seed in range(seeds):
        for scheme, bleu in (("l2", 20.0), ("decoupled", 20.0 + better + seed)):
            translation_run(folder, "own", scheme, 1e-3, seed, (bleu, bleu))


@pytest.fixture
def page(tmp_path):
    """A page of runs in which decoupled decay is better, and which are gone."""
    study(tmp_path / "old", 10)
    assert main(["claims", str(tmp_path / "old"), "--out", str(tmp_path / "first")]) == 0
    return tmp_path / "first"


def table(folder):
    with (folder / TABLE).open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_verdicts_of_both_stand_beside_each_other(tmp_path, page, capsys):
    study(tmp_path / "new", -10, seeds=2)
    out = tmp_path / "second"
    runs = str(tmp_path / "new")
    assert main(["claims", runs, "--with", str(page), str(page), "--out", str(out)]) == 0
    first, alone, both = table(page), None, table(out)
    assert main(["claims", runs, "--out", str(tmp_path / "alone")]) == 0
    alone = table(tmp_path / "alone")
    expected = []
    for old, new in zip_longest(first, alone):  # a row per claim on either side
        taken = old | {"runs": f"{old['runs']} (first)"}
        expected += [row for row in (new, taken) if row["seeds"] != "0"] or [new]
    assert both == expected
    assert [row["verdict"] for row in both[:2]] == ["too few seeds: points against", "holds"]
    text = (out / "report.md").read_text()
    assert "1 verdict of first, whose runs are described there" in text
    assert f"{page}/provenance.md" in text.replace("\\", "")
    assert "holds 1, too few seeds 1, not tested 8" in text


@pytest.mark.slow
def test_a_workload_of_which_only_the_page_has_runs(tmp_path, page, capsys):
    from tests.lm.exhibits.language_runs import language_run

    language_run(tmp_path / "new", 3.0)
    capsys.readouterr()
    assert main(["claims", str(tmp_path / "new"), "--with", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "own (first)" in printed.partition("Translation")[2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("decoupled-over-l2,", "other,"), "row 2: .* has no claim other"),
        ((",holds,", ",perhaps,"), "row 2: verdict: 'perhaps' is none of holds, does not hold"),
        ((",11.0,", ",eleven,"), "row 2: could not convert string to float: 'eleven'"),
        ((",11.0,", ",nan,"), "row 2: mean, deviation and seed_hours are finite numbers"),
        ((",11.0,", ",,"), "row 2: mean '', deviation '1.0': not of 3 seeds"),
        ((",11.0,1.0,", ",11.0,,"), "row 2: mean '11.0', deviation '': not of 3 seeds"),
        ((",11.0,", ",11.0,11.0,11.0,"), "row 2: it has not as many fields as the table"),
        (("deviation,", "spread,"), "lacks deviation: write it anew from its runs with `wdbench"),
        (("decoupled-over-l2,", '"decoupled-over-l2",x"y"z\n"'), "cannot be read: "),
    ],
)
def test_damaged_tables_are_named(tmp_path, page, capsys, change, words):
    file = page / TABLE
    text = file.read_text()
    assert change[0] in text
    file.write_text(text.replace(*change, 1))
    capsys.readouterr()
    assert main(["claims", str(tmp_path / "old"), "--with", str(page)]) == 2
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(capsys.readouterr().err.replace("\n", " "))


def test_folders_that_are_no_pages(tmp_path, page, capsys):
    runs = str(tmp_path / "old")
    assert main(["claims", runs, "--with", runs]) == 2
    assert "has no tables/claims_*.csv; name a folder that `wdbench claims" in said(capsys)
    assert main(["claims", runs, "--with", str(page), "--out", str(page)]) == 2
    assert "is the page of --with, which it would replace" in said(capsys)


def said(capsys):
    return " ".join(capsys.readouterr().err.split())
