"""BLEU of lower-cased text, through sacrebleu, with the signature that says how it was counted."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """A corpus's BLEU from 0 to 100, and sacrebleu's signature of it."""

    value: float
    signature: str


def tokenised(hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    """BLEU of tokenised, lower-cased lines as they are: fairseq's BLEU4, the paper's column.

    Raises:
        ValueError: no lines, or not as many hypotheses as references.
    """
    return _score(hypotheses, references, tokenize="none", lowercase=False)


def detokenised(hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    """BLEU of detokenised lines under sacrebleu's own tokenisation 13a, case ignored.

    Raises:
        ValueError: no lines, or not as many hypotheses as references.
    """
    return _score(hypotheses, references, tokenize="13a", lowercase=True)


def _score(
    hypotheses: Sequence[str], references: Sequence[str], *, tokenize: str, lowercase: bool
) -> Score:
    from sacrebleu.metrics.bleu import BLEU

    if not references or len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses for {len(references)} references")
    # force: lines that look tokenised are meant to be
    metric = BLEU(lowercase=lowercase, tokenize=tokenize, force=True)
    score = metric.corpus_score(hypotheses, [references])
    return Score(score.score, str(metric.get_signature()))
