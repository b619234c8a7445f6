"""Paired tests between the translations of two runs: sacrebleu's, and one that holds its level."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nlp.metrics import BLEU_13A
from workload.exhibits.grid import RecordGrid, Row
from workload.exhibits.record import Record

HYPOTHESES, REFERENCES = "test.hypotheses.txt", "test.references.txt"
SIGNATURE = "test/signature_13a"
SEED_KEY, SEED = "SACREBLEU_SEED", "12345"
ROUNDING = 1e-9
BLOCK = 500  # trials at a time: bounds the memory
TRIALS = 4000  # of the randomisation; a p-value is then 1/4001 or more
TOLERANCE = 0.005  # BLEU between what a run recorded and what its texts give


@dataclass(frozen=True)
class Comparison:
    """One run against the `none` of the same corpus, recipe and seed.

    Attributes:
        seed: of both runs.
        difference: BLEU of detokenised, lower-cased text, the run's minus that of `none`.
        p: two-sided, of the approximate randomisation: between systems whose translations could
            be swapped it is below .05 in 5 % of cases.
        bootstrap_p: sacrebleu's paired bootstrap's, which is below .05 far more often than that.
        signature: sacrebleu's, of the bootstrap.
    """

    seed: int
    difference: float
    p: float
    bootstrap_p: float
    signature: str


def paired_bootstrap(
    baseline: list[str], systems: list[list[str]], references: list[str], tokeniser: str = "13a"
) -> tuple[list[tuple[float, float]], str]:
    """sacrebleu's paired bootstrap on BLEU, lower-cased: as `sacrebleu --paired-bs -lc`.

    Args:
        baseline: translations of `none`, a line per sentence.
        systems: those of the runs that are compared with it.
        references: a line per sentence.
        tokeniser: sacrebleu's.

    Returns:
        per system the difference in BLEU and p; and sacrebleu's signature.

    Source: Koehn, "Statistical Significance Tests for Machine Translation Evaluation", EMNLP 2004.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.significance import PairedTest, Result

    named: list[tuple[str, Sequence[str]]] = [
        (str(number), lines) for number, lines in enumerate([baseline, *systems])
    ]
    metric = BLEU(lowercase=True, tokenize=tokeniser, force=True, references=[references])
    with _own_seed():
        test = PairedTest(named, {"BLEU": metric}, references=None, test_type="bs")
    signatures, results = test()
    first, *others = results["BLEU"]
    assert isinstance(first, Result)
    found = []
    for other in others:
        assert isinstance(other, Result)
        assert other.p_value is not None
        found.append((float(other.score - first.score), float(other.p_value)))
    return found, str(signatures["BLEU"])


def randomisation(
    baseline: list[str],
    systems: list[list[str]],
    references: list[str],
    tokeniser: str = "13a",
) -> list[float]:
    """Two-sided p of each system's BLEU, lower-cased, against that of the baseline.

    In each of TRIALS trials every sentence's two translations are swapped or not, and p is the
    share of trials, the one at hand among them, whose BLEUs differ as much or more. sacrebleu's own
    `--paired-ar` counts those that differ by more alone, and finds 1/10001 between translations of
    which one sentence differs.

    Args:
        baseline, systems, references, tokeniser: as of `paired_bootstrap`.

    Source: Riezler and Maxwell, "On Some Pitfalls in Automatic Evaluation and Significance Testing
    for MT", 2005.
    """
    random = np.random.default_rng(int(SEED))
    theirs = _counts(baseline, references, tokeniser)
    found = []
    for system in systems:
        ours = _counts(system, references, tokeniser)
        change, total = ours - theirs, ours.sum(axis=0)
        seen = abs(_bleu(total) - _bleu(theirs.sum(axis=0)))
        as_large = 1
        for start in range(0, TRIALS, BLOCK):
            swapped = random.integers(2, size=(min(BLOCK, TRIALS - start), len(change)))
            moved = swapped.astype(float) @ change
            pairs = zip(total - moved, theirs.sum(axis=0) + moved, strict=True)
            as_large += sum(
                abs(_bleu(one) - _bleu(other)) >= seen - ROUNDING for one, other in pairs
            )
        found.append(as_large / (TRIALS + 1))
    return found


def _counts(hypotheses: list[str], references: list[str], tokeniser: str) -> NDArray[np.float64]:
    """[sentences, 10]: matching and all n-grams of each order, words of both sides."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(lowercase=True, tokenize=tokeniser, effective_order=True)
    scores = [
        metric.sentence_score(hypothesis, [reference])
        for hypothesis, reference in zip(hypotheses, references, strict=True)
    ]
    return np.array([[*s.counts, *s.totals, s.sys_len, s.ref_len] for s in scores], dtype=float)


def _bleu(counts: NDArray[np.float64]) -> float:
    """BLEU of a corpus from the sums of its sentences' counts."""
    from sacrebleu.metrics.bleu import BLEU

    whole = [round(count) for count in counts]
    return float(BLEU.compute_bleu(whole[:4], whole[4:8], whole[8], whole[9]).score)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: each below .05 is so with all of them taken into account.

    In rising order the i-th of m, from 0, becomes the largest of (m - j) p_j over j <= i, at most
    1. Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


@contextmanager
def _own_seed() -> Iterator[None]:
    """sacrebleu's own seed, whatever the user's environment says: equal texts give equal p."""
    before = os.environ.get(SEED_KEY)
    os.environ[SEED_KEY] = SEED
    try:
        yield
    finally:
        if before is None:
            del os.environ[SEED_KEY]
        else:
            os.environ[SEED_KEY] = before


def compare(
    grid: RecordGrid, corpus: str, leave_out: Callable[[str], None]
) -> dict[Row, list[Comparison]]:
    """The comparisons of each row of a corpus, by seed; runs whose texts do not fit are named."""
    if find_spec("sacrebleu") is None:
        leave_out("no paired tests: sacrebleu is not installed; pip install 'wdbench[nlp]'")
        return {}
    found: dict[Row, list[Comparison]] = {}
    for (partner, seed), challengers in sorted(
        _challengers(grid, corpus).items(), key=lambda item: (item[0][1], item[0][0].sort_key)
    ):
        twin = next((r for r in grid.at(partner, corpus) if r.member.seed == seed), None)
        baseline = _texts(twin, leave_out) if twin is not None and twin.scores else None
        if twin is None or baseline is None:
            continue
        fitting = []
        for row, record in challengers:
            texts = _texts(record, leave_out)
            if texts is not None and texts[1] == baseline[1]:
                fitting.append((row, texts[0]))
            elif texts is not None:
                leave_out(
                    f"no paired tests of {record.path}: its references are not those of {twin.path}"
                )
        if fitting:
            systems = [hypotheses for _, hypotheses in fitting]
            tokeniser = _tokeniser(twin)
            resampled, signature = paired_bootstrap(baseline[0], systems, baseline[1], tokeniser)
            drawn = randomisation(baseline[0], systems, baseline[1], tokeniser)
            for (row, _), (difference, other), p in zip(fitting, resampled, drawn, strict=True):
                comparison = Comparison(seed, difference, p, other, signature)
                found.setdefault(row, []).append(comparison)
    return found


def _challengers(grid: RecordGrid, corpus: str) -> dict[tuple[Row, int], list[tuple[Row, Record]]]:
    """Finished runs with decay, by the row and seed of the `none` that they are compared with."""
    found: dict[tuple[Row, int], list[tuple[Row, Record]]] = {}
    for row in grid.rows_of(corpus):
        partner = grid.partner(row)
        for record in grid.at(row, corpus):
            if partner is not None and record.scores:
                found.setdefault((partner, record.member.seed), []).append((row, record))
    return found


def _tokeniser(record: Record) -> str:
    """sacrebleu's, as the signature of a run's BLEU names it."""
    found = re.search(r"tok:([^|]+)", record.signatures.get(SIGNATURE, ""))
    return found.group(1) if found else "13a"


def _texts(record: Record, leave_out: Callable[[str], None]) -> tuple[list[str], list[str]] | None:
    """Hypotheses and references of a run; None where they are not what its BLEU came from."""
    from nlp.bleu import detokenised

    path = record.path
    try:
        hypotheses, references = _lines(path / HYPOTHESES), _lines(path / REFERENCES)
        bleu = detokenised(hypotheses, references, _tokeniser(record)).value
        recorded = record.scores[BLEU_13A.key]
        if abs(bleu - recorded) > TOLERANCE:
            raise ValueError(
                f"{path / HYPOTHESES} has BLEU {bleu:.2f}, eval.jsonl says {recorded:.2f}"
            )
    except (OSError, ValueError) as error:
        leave_out(f"no paired tests of {path}: {error}")
        return None
    return hypotheses, references


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
