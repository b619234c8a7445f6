"""Paired bootstrap between the translations of two runs, by sacrebleu itself."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nlp.metrics import BLEU_13A
from workload.exhibits.grid import RecordGrid, Row
from workload.exhibits.record import Record

HYPOTHESES, REFERENCES = "test.hypotheses.txt", "test.references.txt"
SIGNATURE = "test/signature_13a"
SEED_KEY, SEED = "SACREBLEU_SEED", "12345"
TOLERANCE = 0.005  # BLEU between what a run recorded and what its texts give


@dataclass(frozen=True)
class Comparison:
    """One run against the `none` of the same corpus, recipe and seed.

    Attributes:
        seed: of both runs.
        difference: BLEU of detokenised, lower-cased text, the run's minus that of `none`.
        p: chance of a difference as large as this one under the null hypothesis that both
            systems are equally good.
        signature: sacrebleu's, of the test.
    """

    seed: int
    difference: float
    p: float
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
        leave_out("no paired bootstrap: sacrebleu is not installed; pip install 'wdbench[nlp]'")
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
                    f"no paired bootstrap of {record.path}: its references are not those of "
                    f"{twin.path}"
                )
        if fitting:
            systems = [hypotheses for _, hypotheses in fitting]
            results, signature = paired_bootstrap(
                baseline[0], systems, baseline[1], _tokeniser(twin)
            )
            for (row, hypotheses), (difference, p) in zip(fitting, results, strict=True):
                if hypotheses == baseline[0]:
                    p = 1.0  # sacrebleu says 1/1001: no resample differs by more than 0
                found.setdefault(row, []).append(Comparison(seed, difference, p, signature))
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
        leave_out(f"no paired bootstrap of {path}: {error}")
        return None
    return hypotheses, references


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
