"""From text as people write it to its translation as people would write it, with a trained model.

text -> normalised -> words -> subwords -> beam search -> subwords -> words -> text
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from nlp.data.text import normalise
from nlp.data.tokenisation import join, subwords, to_text, to_words
from nlp.decoding import decode
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


def translate_sources(
    trained: TrainedModel,
    sources: Sequence[Tensor],
    *,
    beam: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """One line for every source; an empty one for a source without words, or with more than the
    model can take.

    A translation does not depend on the others.

    Args:
        trained: model, task and corpus.
        sources: of `source_tokens`.
        beam: hypotheses kept per sentence.
        progress: called with the sentences done and all of them.
    """
    indices = [n for n, tokens in enumerate(sources) if 1 < len(tokens) <= MAX_POSITIONS]
    hypotheses = decode(
        trained.model,
        trained.task,
        [sources[index] for index in indices],
        beam=beam,
        device=next(trained.model.parameters()).device,
        progress=progress,
    )
    result = [""] * len(sources)
    dictionary, way = trained.task.target_dictionary, trained.corpus.preparation.tokenisation
    for index, tokens in zip(indices, hypotheses, strict=True):
        words = join(way, dictionary.string(tokens))
        result[index] = to_text(way, words, trained.corpus.target)
    return result
