"""The paired tests are sacrebleu's own, on the texts of the right two runs."""

import itertools
import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("sacrebleu", reason="sacrebleu is not installed")

import sacrebleu

from nlp.exhibits.paired import compare, holm, paired_bootstrap, randomisation
from tests.nlp.exhibits.translations import references, translated
from tests.suite.results.runs import grid_of, refuse, translation_run

LINES = references()
BASE, BETTER, WORSE = (translated(LINES, wrong, i) for i, wrong in enumerate((0.3, 0.22, 0.5)))


def of_the_command(folder, baseline, systems, lines):
    """What `sacrebleu --paired-bs -lc` says of the systems: BLEU and p each, the baseline's first.

    Its default seed is 12345, which SACREBLEU_SEED would change.
    """
    files = []
    for name, text in [("references", lines), ("baseline", baseline), *enumerate(systems)]:
        files.append(folder / f"{name}.txt")
        files[-1].write_text("".join(f"{line}\n" for line in text), encoding="utf-8")
    command = [sys.executable, "-m", "sacrebleu", files[0], "-i", *files[1:]]
    command += ["-m", "bleu", "--paired-bs", "-lc", "--force", "-f", "json", "--width", "6"]
    environment = {key: value for key, value in os.environ.items() if key != "SACREBLEU_SEED"}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert answer.returncode == 0, answer.stderr
    table = json.loads(answer.stdout)
    return [(row["BLEU"]["score"], row["BLEU"]["p_value"]) for row in table]


def test_it_says_what_the_command_sacrebleu_says(tmp_path):
    (base, none), *others = of_the_command(tmp_path, BASE, [BETTER, WORSE], LINES)
    assert none is None
    found, signature = paired_bootstrap(BASE, [BETTER, WORSE], LINES)
    for (difference, p), (score, expected) in zip(found, others, strict=True):
        assert difference == pytest.approx(score - base, abs=1e-6)
        assert p == pytest.approx(expected, abs=1e-6)
    assert "seed:12345" in signature
    assert "bs:1000" in signature
    assert "case:lc" in signature


@pytest.mark.parametrize("seed", ["7", "0", "none", "no number"])
def test_equal_texts_give_equal_p_whatever_the_environment_says(monkeypatch, seed):
    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    expected = paired_bootstrap(BASE, [BETTER], LINES)
    monkeypatch.setenv("SACREBLEU_SEED", seed)
    assert paired_bootstrap(BASE, [BETTER], LINES) == expected
    assert os.environ["SACREBLEU_SEED"] == seed


def bleu(hypotheses, lines=LINES):
    return sacrebleu.corpus_bleu(hypotheses, [lines], lowercase=True, force=True).score


def run(folder, scheme, decay, seed, hypotheses, lines=LINES, **options):
    score = options.pop("score", bleu(hypotheses, lines))
    texts = (hypotheses, lines)
    return translation_run(
        folder, "grammar", scheme, decay, seed, (score, score), texts=texts, **options
    )


def compared(runs, leave_out=refuse):
    """Comparisons by scheme and lambda."""
    found = compare(grid_of(runs), "grammar", leave_out)
    return {(row.scheme, row.decay): items for row, items in found.items()}


@pytest.mark.slow
def test_a_run_is_compared_with_the_none_of_its_seed(tmp_path):
    runs = [
        run(tmp_path, "none", 0.0, 0, BASE),
        run(tmp_path, "none", 0.0, 1, WORSE),
        run(tmp_path, "l2", 1e-3, 1, BETTER),
        run(tmp_path, "l2", 1e-3, 0, BETTER),
        run(tmp_path, "l2", 1e-3, 2, BETTER),
    ]
    found = compared(runs)
    assert list(found) == [("l2", "1e-3")]
    first, second = found["l2", "1e-3"]
    assert (first.seed, second.seed) == (0, 1)
    assert first.difference == pytest.approx(bleu(BETTER) - bleu(BASE), abs=1e-9)
    assert second.difference == pytest.approx(bleu(BETTER) - bleu(WORSE), abs=1e-9)
    ((_, p),), _ = paired_bootstrap(BASE, [BETTER], LINES)
    assert first.bootstrap_p == p
    assert [first.p] == randomisation(BASE, [BETTER], LINES)


def test_runs_that_are_not_finished_are_not_compared(tmp_path):
    runs = [
        run(tmp_path, "none", 0.0, 0, BASE),
        run(tmp_path, "none", 0.0, 1, BASE, status="unfinished"),
        run(tmp_path, "l2", 1e-3, 0, BETTER, status="unfinished"),
        run(tmp_path, "l2", 1e-3, 1, BETTER),
    ]
    assert compared(runs) == {}


def test_equal_translations_are_not_told_apart(tmp_path):
    """The bootstrap's p is 1/1001 there; a difference of 0 is as likely as can be."""
    runs = [run(tmp_path, "none", 0.0, 0, BASE), run(tmp_path, "l2", 1e-3, 0, BASE)]
    ((found,),) = compared(runs).values()
    assert (found.difference, found.p) == (0, 1)


def test_another_recipe_is_not_compared(tmp_path):
    runs = [
        run(tmp_path, "none", 0.0, 0, BASE),
        run(tmp_path, "l2", 1e-3, 0, BETTER, dropout=0.1),
    ]
    assert compared(runs) == {}


DAMAGE = {
    "no hypotheses": lambda path: (path / "test.hypotheses.txt").unlink(),
    "a line less": lambda path: (path / "test.hypotheses.txt").write_text("\n".join(BETTER[1:])),
    "other texts": lambda path: (path / "test.hypotheses.txt").write_text("\n".join(WORSE)),
    "no text": lambda path: (path / "test.references.txt").write_bytes(b"\xff\xfe\n" * 60),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_texts_that_the_runs_bleu_cannot_come_from_are_named(tmp_path, case):
    bad = run(tmp_path, "l2", 1e-3, 0, BETTER)
    DAMAGE[case](bad.path)
    runs = [run(tmp_path, "none", 0.0, 0, BASE), bad, run(tmp_path, "separated", 1e-3, 0, BETTER)]
    named = []
    assert list(compared(runs, named.append)) == [("separated", "1e-3")]
    (reason,) = named
    assert reason.startswith(f"no paired tests of {bad.path}: ")


def test_runs_on_other_references_are_not_compared_but_named(tmp_path):
    other = references(seed=9)
    bad = run(tmp_path, "l2", 1e-3, 0, translated(other, 0.2, 5), other)
    twin = run(tmp_path, "none", 0.0, 0, BASE)
    named = []
    assert compared([twin, bad], named.append) == {}
    assert named == [f"no paired tests of {bad.path}: its references are not those of {twin.path}"]


def test_without_sacrebleu_the_report_goes_on_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("nlp.exhibits.paired.find_spec", lambda name: None)
    named = []
    runs = [run(tmp_path, "none", 0.0, 0, BASE), run(tmp_path, "l2", 1e-3, 0, BETTER)]
    assert compared(runs, named.append) == {}
    assert named == ["no paired tests: sacrebleu is not installed; pip install 'wdbench[nlp]'"]


@pytest.mark.slow
def test_between_equal_systems_p_is_below_5_percent_in_5_percent_of_cases(monkeypatch):
    """Pairs of systems that go wrong equally often; the paired bootstrap's p is beside it."""
    monkeypatch.setattr("nlp.exhibits.paired.TRIALS", 200)
    p_values, of_bootstrap = [], []
    for pair in range(40):
        one, other = (translated(LINES, 0.3, 2 * pair + side) for side in (0, 1))
        p_values += randomisation(one, [other], LINES)
        ((_, p),), _ = paired_bootstrap(one, [other], LINES)
        of_bootstrap.append(p)
    level = sum(p < 0.05 for p in p_values) / len(p_values)
    assert level <= 0.05 + 3 * (0.05 * 0.95 / len(p_values)) ** 0.5
    assert sum(p < 0.05 for p in of_bootstrap) > sum(p < 0.05 for p in p_values)


def test_a_difference_is_found_nonetheless():
    (p,) = randomisation(BASE, [WORSE], LINES)
    assert p < 0.01


def test_p_is_the_share_of_all_ways_to_swap_sentences_that_differ_as_much():
    """By going through all 2^6 of them, with sacrebleu's BLEU of each corpus."""
    one, other, lines = BASE[:6], WORSE[:6], LINES[:6]
    seen = abs(bleu(one, lines) - bleu(other, lines))
    as_large = 0
    for swaps in itertools.product((False, True), repeat=6):
        pairs = [(b, a) if swap else (a, b) for a, b, swap in zip(one, other, swaps, strict=True)]
        left, right = (list(side) for side in zip(*pairs, strict=True))
        as_large += abs(bleu(left, lines) - bleu(right, lines)) >= seen - 1e-9
    (p,) = randomisation(one, [other], lines)
    assert p == pytest.approx(as_large / 64, abs=4 * (0.25 / 4000) ** 0.5)


def test_one_sentence_that_differs_is_no_evidence():
    """Swapped or not, the difference is as large."""
    other = [*BASE[:-1], LINES[-1]]
    assert other != BASE
    assert randomisation(BASE, [other], LINES) == [1.0]


def test_holms_correction_by_hand():
    """Holm 1979: .005 x 4, .01 x 3, .03 x 2, and .04, which is below the one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_texts_are_split_as_the_bleu_of_the_runs_was(tmp_path):
    """Without spaces 13a sees a word per line; sacrebleu's zh sees characters."""
    chinese = [
        "".join(chr(0x4E00 + sum(map(ord, word)) % 500) for word in line.split()) for line in LINES
    ]
    drawn = [line[::-1] if place % 2 else line for place, line in enumerate(chinese)]
    systems = {"none": drawn, "l2": chinese}
    runs = []
    for scheme, lines in systems.items():
        bleu = sacrebleu.corpus_bleu(lines, [chinese], tokenize="zh", lowercase=True).score
        decay = 0.0 if scheme == "none" else 1e-3
        options = {"texts": (lines, chinese), "signature": "nrefs:1|case:lc|tok:zh|smooth:exp"}
        runs.append(translation_run(tmp_path, "own", scheme, decay, 0, (bleu, bleu), **options))
    (found,) = compare(grid_of(runs), "own", refuse).values()
    expected = sacrebleu.corpus_bleu(drawn, [chinese], tokenize="zh", lowercase=True).score
    assert found[0].difference == pytest.approx(100 - expected, abs=1e-6)
    assert "tok:zh" in found[0].signature
