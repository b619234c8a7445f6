"""From text as people write it to its translation as people would write it, with a trained model.

text -> normalised -> words -> subwords -> beam search -> subwords -> words -> text
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from nlp.data.text import normalise
from nlp.data.tokenisation import join, subwords, to_text, to_words
from nlp.decoding import length_limit, search
from nlp.fairseq_model import MAX_POSITIONS
from nlp.weights import TrainedModel


def source_tokens(trained: TrainedModel, lines: Sequence[str]) -> list[Tensor]:
    """int64 [length] per line of cased, untokenised text of the source language: its subwords'
    numbers and the end mark."""
    corpus, way = trained.corpus, trained.corpus.preparation.tokenisation
    segmenter = subwords(way, corpus.codes)
    dictionary: Any = trained.task.source_dictionary
    return [
        dictionary.encode_line(
            segmenter.segment(to_words(way, normalise(line), corpus.source)),
            add_if_not_exist=False,
            append_eos=True,
        ).long()
        for line in lines
    ]


class Translation(NamedTuple):
    """A line as people write it, and its score (`nlp.decoding.search`)."""

    text: str
    score: float


def translate_sources(
    trained: TrainedModel, sources: Sequence[Tensor], max_length: int | None = None, **options: Any
) -> list[list[Translation]]:
    """Translations of every source, best first; none of a source without words, or with more than
    the model can take.

    They do not depend on the other sources.

    Args:
        trained: model, task and corpus.
        sources: of `source_tokens`.
        max_length: most subwords of a translation.
        options: of `nlp.decoding.search`.
    """
    indices = [n for n, tokens in enumerate(sources) if 1 < len(tokens) <= MAX_POSITIONS]
    limits = [length_limit(len(sources[index])) for index in indices]
    found = search(
        trained.model,
        trained.task,
        [sources[index] for index in indices],
        limits=[min(limit, max_length or limit) for limit in limits],
        device=next(trained.model.parameters()).device,
        **options,
    )
    result: list[list[Translation]] = [[] for _ in sources]
    dictionary, way = trained.task.target_dictionary, trained.corpus.preparation.tokenisation
    for index, hypotheses in zip(indices, found, strict=True):
        for hypothesis in hypotheses:
            words = join(way, dictionary.string(hypothesis.tokens))
            text = to_text(way, words, trained.corpus.target)
            result[index].append(Translation(text, hypothesis.score))
    return result
