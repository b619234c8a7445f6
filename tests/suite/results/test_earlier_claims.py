"""Verdicts of runs that are gone, from the page that was written of them."""

import csv
import re
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
    assert main(["claims", runs, "--with", str(page), "--with", str(page), "--out", str(out)]) == 0
    first, both = table(page), table(out)
    assert main(["claims", runs, "--out", str(tmp_path / "alone")]) == 0
    alone = table(tmp_path / "alone")
    expected = []
    for old, new in zip_longest(first, alone):  # a row per claim on either side
        taken = old | {"page": "first"}
        expected += [row for row in (new, taken) if row["seeds"] != "0"] or [new]
    assert both == expected
    assert [row["verdict"] for row in both[:2]] == ["too few seeds: points against", "holds"]
    text = (out / "report.md").read_text()
    assert "first: 1 verdict on runs that the provenance describes." in text
    assert "holds 1, too few seeds 1, not tested 17" in text
    assert "own (first)" in text
    circumstances = (out / "provenance.md").read_text()
    assert circumstances.endswith((page / "provenance.md").read_text())
    # of both pages, and of one that holds the other
    third = tmp_path / "third"
    both_pages = ["--with", str(out), "--with", str(page)]
    assert main(["claims", runs, *both_pages, "--out", str(third)]) == 0
    own = [row | {"page": "second"} for row in alone if row["seeds"] != "0"]
    tested = [row for row in table(third) if row["seeds"] != "0"]
    key = sorted(tested[0])
    expected = [row for row in [*both, *own] if row["seeds"] != "0"]
    assert sorted(tested, key=lambda row: [row[k] for k in key]) == sorted(
        expected, key=lambda row: [row[k] for k in key]
    )


def test_numbers_that_are_all_the_same_are_taken_over(tmp_path, page):
    first, *others = table(page)
    for seeds, word in ((3, "undecided"), (6, "holds")):
        alike = first | {"seeds": str(seeds), "low": "", "high": "", "verdict": word}
        write(page, [alike, *others])
        out = tmp_path / word
        assert main(["claims", "--with", str(page), "--out", str(out)]) == 0
        assert table(out)[0]["verdict"] == word


@pytest.mark.slow
def test_a_workload_of_which_only_the_page_has_runs(tmp_path, page, capsys):
    from tests.lm.exhibits.language_runs import language_run

    language_run(tmp_path / "new", 3.0)
    capsys.readouterr()
    assert main(["claims", str(tmp_path / "new"), "--with", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "own (first)" in printed.partition("Translation")[2]


def test_pages_alone_are_put_together(tmp_path, page, capsys):
    out = tmp_path / "together"
    assert main(["claims", "--with", str(page), "--out", str(out)]) == 0
    taken = [row | {"page": "first"} for row in table(page) if row["seeds"] != "0"]
    assert [row for row in table(out) if row["seeds"] != "0"] == taken
    assert main(["claims"]) == 2
    assert "name RUNS, or a page of earlier runs with --with PAGE" in said(capsys)


def test_pages_without_the_columns_that_came_later_are_read(tmp_path, page, capsys):
    rows = table(page)
    kept = [key for key in rows[0] if key not in ("page", "seed_hours")]
    with (page / TABLE).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, kept, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    study(tmp_path / "new", -10, seeds=1)
    capsys.readouterr()
    assert main(["claims", str(tmp_path / "new"), "--with", str(page)]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "own (first)" in line)
    assert line.startswith("holds ")
    assert " 11 BLEU " in line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "other"}, "row 2: .* has no claim other"),
        ({"statistic": "BLEU"}, "row 2: decoupled-over-l2 was another number there .'BLEU', and"),
        ({"verdict": "perhaps"}, "row 2: verdict: 'perhaps' is not that of 11, 8.5"),
        ({"verdict": "does not hold"}, "row 2: verdict: 'does not hold' is not that of 11"),
        ({"verdict": "not tested"}, "row 2: verdict: 'not tested' is not that of 11"),
        ({"verdict": "too few seeds"}, "row 2: verdict: 'too few seeds' is not that of 11"),
        ({"seeds": "2"}, "row 2: mean, low and high are not those of 2 seeds"),
        ({"seeds": "2", "low": "", "high": ""}, "verdict: 'holds' is not one of 2 seeds"),
        ({"seeds": "0", "mean": "", "low": "", "high": ""}, "'holds' is not one of 0 seeds"),
        ({"mean": ""}, "row 2: mean, low and high are not those of 3 seeds"),
        ({"high": ""}, "row 2: mean, low and high are not those of 3 seeds"),
        ({"mean": "eleven"}, "row 2: could not convert string to float: 'eleven'"),
        ({"mean": "nan"}, "row 2: mean: nan is not possible"),
        ({"high": "inf"}, "row 2: high: inf is not possible"),
        ({"low": "12.0"}, "row 2: 11 is not the mean of an interval 12 to 13"),
        ({"low": "11.0", "high": "11.0"}, "row 2: 11 is not the mean of an interval 11 to 11"),
        ({"low": "", "high": ""}, "row 2: verdict: 'holds' is not that of 3 times 11"),
        ({"seed_hours": "-5"}, "row 2: seed_hours: -5 is not possible"),
        *(
            ({"seeds": seeds}, "row 2: seeds: .* is no number of seeds")
            for seeds in ("-3", "3.0", "3_0", "1" + "0" * 20, "", "\N{ARABIC-INDIC DIGIT THREE}")
        ),
    ],
)
def test_damaged_rows_are_named(tmp_path, page, capsys, change, words):
    first, *others = table(page)
    write(page, [first | change, *others])
    refused(tmp_path, page, capsys, words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("verdict,", "word,"), "lacks verdict; it is no table of verdicts"),
        ((",3,holds,", ",3,holds,holds,"), "row 2: not as many fields as there are columns"),
        ((",3,holds,", ",3,"), "row 2: not as many fields as there are columns"),
        (("decoupled-over-l2,", '"decoupled-over-l2",x"y"z\n"'), "cannot be read: "),
    ],
)
def test_damaged_tables_are_named(tmp_path, page, capsys, change, words):
    file = page / TABLE
    text = file.read_text()
    assert change[0] in text
    file.write_text(text.replace(*change, 1))
    refused(tmp_path, page, capsys, words)


def test_two_verdicts_by_the_same_runs_are_refused(tmp_path, page, capsys):
    first, *others = table(page)
    write(page, [first, first | {"mean": "10.5"}, *others])
    refused(tmp_path, page, capsys, "another verdict on decoupled-over-l2 by own .first.; leave")


def write(page, rows):
    with (page / TABLE).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def refused(tmp_path, page, capsys, words):
    capsys.readouterr()
    assert main(["claims", str(tmp_path / "old"), "--with", str(page)]) == 2
    assert re.search(words, said(capsys))


def test_folders_that_are_no_pages(tmp_path, page, capsys):
    runs = str(tmp_path / "old")
    assert main(["claims", runs, "--with", runs]) == 2
    assert (
        "has no tables/claims_NAME.csv of a workload; name a folder that `wdbench claims"
        in said(capsys)
    )
    assert main(["claims", runs, "--with", str(page), "--out", str(page)]) == 2
    assert "is the page of --with, which it would replace" in said(capsys)


def said(capsys):
    return " ".join(capsys.readouterr().err.split())
