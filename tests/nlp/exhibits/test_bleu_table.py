"""The BLEU table: both columns, seeds, signatures, and the comparison with none."""

import statistics

import pytest

from nlp.exhibits.bleu_table import bleu_table
from tests.suite.results.runs import grid_of, records_of_table, translation_run

pytestmark = pytest.mark.slow

BLEU = {
    ("none", 0.0): [(34.0, 33.0), (34.5, 33.8), (34.1, 33.1)],
    ("l2", 1e-3): [(20.0, 20.5), (22.0, 21.5)],
    ("separated", 1e-4): [(35.0, 33.1), (34.6, 33.2), (34.2, 33.3)],
}


def table_of(folder, scores, **options):
    runs = [
        translation_run(folder, "iwslt14", scheme, decay, seed, bleu, **options)
        for (scheme, decay), values in scores.items()
        for seed, bleu in enumerate(values)
    ]
    return bleu_table(grid_of(runs), lambda reason: None)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return table_of(tmp_path_factory.mktemp("runs"), BLEU)


def test_both_columns_are_mean_and_sample_deviation_over_seeds(table):
    records = records_of_table(table)
    assert len(records) == len(BLEU)
    for record in records:
        scores = BLEU[record["scheme"], record["lambda"]]
        for place, column in enumerate(("tokenised", "13a")):
            values = [bleu[place] for bleu in scores]
            mean, deviation = record[f"{column}_mean"], record[f"{column}_standard_deviation"]
            assert mean == pytest.approx(statistics.mean(values), rel=1e-12)
            assert deviation == pytest.approx(statistics.stdev(values), rel=1e-12)
        assert record["seeds_finished"] == len(scores)


def test_a_line_reads(table):
    lines = [[cell.lines[0] for cell in row] for row in table.rows]
    assert lines == [
        ["iwslt14", "none", "-", "34.20 ± 0.26", "33.30 ± 0.44", "3/3", "-", "-", "-"],
        ["iwslt14", "l2", "1e-3", "21.00 ± 1.41", "21.00 ± 0.71", "2/3", "-", "-", "-"],
        ["iwslt14", "separated", "1e-4", "34.60 ± 0.40", "33.20 ± 0.10", "3/3", "-", "-", "-"],
    ]


def test_each_column_has_its_own_best(table):
    bold = {
        (table.head[place], row[1].lines[0])
        for row in table.rows
        for place, cell in enumerate(row)
        if cell.bold
    }
    assert bold == {("BLEU, tokenised", "separated"), ("BLEU, 13a", "none")}


def test_equal_means_are_bold_together(tmp_path):
    scores = {("none", 0.0): [(30.0, 31.0)], ("l2", 1e-3): [(30.0, 30.0)]}
    scores |= {("l2", 1e-4): [(29.0, 30.0)], ("l2", 1e-5): [(28.0, 30.0)]}
    rows = table_of(tmp_path, scores).rows
    assert [[cell.bold for cell in row[3:5]] for row in rows[:2]] == [[True, True], [True, False]]


def test_the_signature_under_which_bleu_was_counted_stands_in_the_caption(tmp_path):
    signature = "nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:2.6.0"
    table = table_of(tmp_path, {("none", 0.0): [(30.0, 31.0)]}, signature=signature)
    assert f"(sacrebleu {signature})" in table.caption


def test_runs_that_did_not_finish_are_counted_alone(tmp_path):
    runs = [
        translation_run(tmp_path, "iwslt14", "none", 0.0, seed, (30.0 + seed, 31.0), status=status)
        for seed, status in enumerate(["finished", "unfinished", "failed"])
    ]
    table = bleu_table(grid_of(runs), lambda reason: None)
    assert [cell.lines[0] for cell in table.rows[0]][3:6] == ["30.00 ± -", "31.00 ± -", "1/3"]


def test_the_comparison_with_none_stands_beside_seed_by_seed(tmp_path):
    sacrebleu = pytest.importorskip("sacrebleu", reason="sacrebleu is not installed")
    from nlp.exhibits.paired import holm, paired_bootstrap, randomisation
    from tests.nlp.exhibits.translations import references, translated

    lines = references()
    texts = {
        ("none", 0.0): [translated(lines, 0.3, 0), translated(lines, 0.3, 1)],
        ("l2", 1e-3): [translated(lines, 0.5, 2), translated(lines, 0.28, 3)],
    }

    def bleu(hypotheses):
        return sacrebleu.corpus_bleu(hypotheses, [lines], lowercase=True, force=True).score

    runs = [
        translation_run(
            *(tmp_path, "iwslt14", *row, seed, (1.0, bleu(hypotheses))), texts=(hypotheses, lines)
        )
        for row, found in texts.items()
        for seed, hypotheses in enumerate(found)
    ]
    table = bleu_table(grid_of(runs), lambda reason: None)
    pairs = list(zip(texts["l2", 1e-3], texts["none", 0.0], strict=True))
    expected = [bleu(ours) - bleu(theirs) for ours, theirs in pairs]
    records = [record for record in records_of_table(table) if record["scheme"] == "l2"]
    assert [record["seed"] for record in records] == [0, 1]
    assert [record["13a_minus_none"] for record in records] == pytest.approx(expected, abs=1e-9)
    p_values = [randomisation(theirs, [ours], lines)[0] for ours, theirs in pairs]
    of_bootstrap = [paired_bootstrap(theirs, [ours], lines)[0][0][1] for ours, theirs in pairs]
    assert [record["p_value"] for record in records] == p_values
    assert [record["p_value_holm"] for record in records] == holm(p_values)
    assert [record["sacrebleu_bootstrap_p_value"] for record in records] == of_bootstrap
    difference, adjusted, p = (cell.lines[0] for cell in table.rows[1][-3:])
    assert difference.replace("\N{MINUS SIGN}", "-") == f"{statistics.mean(expected):+.2f}"
    assert adjusted == ", ".join(f"{value:.3f}" for value in holm(p_values))
    assert p == ", ".join(f"{value:.3f}" for value in of_bootstrap)
    assert "over the 2 comparisons of the table" in table.caption
    assert "seed:12345" in table.caption


def test_chrf_and_ter_stand_beside_bleu_where_runs_have_them(tmp_path):
    values = {"none": [(50.0, 60.0), (52.0, 58.0)], "l2": [None]}
    runs = [
        translation_run(
            tmp_path,
            "iwslt14",
            scheme,
            0.0 if scheme == "none" else 1e-3,
            seed,
            (30.0, 31.0),
            others={
                "test/chrf": both[0],
                "test/ter": both[1],
                "test/signature_chrf": "chrF2|case:lc",
                "test/signature_ter": "tok:tercom",
            }
            if both
            else {},
        )
        for scheme, of_seeds in values.items()
        for seed, both in enumerate(of_seeds)
    ]
    table = bleu_table(grid_of(runs), lambda reason: None)
    shown = {
        row[1].lines[0]: [cell.lines[0] for cell, head in zip(row, table.head, strict=True)
                          if head in ("chrF", "TER")]
        for row in table.rows
    }  # fmt: skip
    assert shown == {"none": ["51.00 \u00b1 1.41", "59.00 \u00b1 1.41"], "l2": ["-", "-"]}
    assert "chrF (sacrebleu chrF2|case:lc). TER (sacrebleu tok:tercom)." in table.caption
