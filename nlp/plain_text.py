"""From text as people write it to its translation as people would write it, with a trained model.

text -> tokens -> lower case -> subwords -> beam search -> tokens -> text
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from nlp.data.text import SEPARATOR, Segmenter, detokenise, lower_case, tokenise
from nlp.decoding import decode
from nlp.fairseq_model import MAX_POSITIONS
from nlp.weights import TrainedModel


def source_tokens(trained: TrainedModel, lines: Sequence[str]) -> list[Tensor]:
    """int64 [length] per line of cased, untokenised text of the source language: its subwords'
    numbers and the end mark."""
    segmenter = Segmenter(trained.corpus.codes)
    dictionary: Any = trained.task.source_dictionary
    return [
        dictionary.encode_line(
            segmenter.segment(lower_case(tokenise(line, trained.corpus.source))),
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
    dictionary = trained.task.target_dictionary
    for index, tokens in zip(indices, hypotheses, strict=True):
        words: str = dictionary.string(tokens, f"{SEPARATOR} ")
        result[index] = detokenise(words, trained.corpus.target)
    return result
