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
from workload.errors import ConfigError


def translate_lines(
    trained: TrainedModel,
    lines: Sequence[str],
    *,
    beam: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """One line for every line; for a line without words an empty one.

    A line's translation does not depend on the others.

    Args:
        trained: model, task and corpus.
        lines: cased, untokenised text of the source language.
        beam: hypotheses kept per sentence.
        progress: called with the sentences done and all of them.

    Raises:
        ConfigError: a line is longer than the model can take; it is named by its number from 1.
    """
    sources = source_tokens(trained, lines)
    indices = [index for index, tokens in enumerate(sources) if len(tokens) > 1]
    hypotheses = decode(
        trained.model,
        trained.task,
        [sources[index] for index in indices],
        beam=beam,
        device=next(trained.model.parameters()).device,
        progress=progress,
    )
    result = [""] * len(lines)
    dictionary = trained.task.target_dictionary
    for index, tokens in zip(indices, hypotheses, strict=True):
        words: str = dictionary.string(tokens, f"{SEPARATOR} ")
        result[index] = detokenise(words, trained.corpus.target)
    return result


def source_tokens(trained: TrainedModel, lines: Sequence[str]) -> list[Tensor]:
    """int64 [length] per line: its subwords' numbers and the end mark. Raises as above."""
    segmenter = Segmenter(trained.corpus.codes)
    dictionary: Any = trained.task.source_dictionary
    sources = []
    for number, line in enumerate(lines, 1):
        words = segmenter.segment(lower_case(tokenise(line, trained.corpus.source)))
        tokens = dictionary.encode_line(words, add_if_not_exist=False, append_eos=True).long()
        if len(tokens) > MAX_POSITIONS:
            raise ConfigError(
                f"line {number} has {len(tokens):,} subwords with its end mark, the model takes "
                f"{MAX_POSITIONS:,}; split it into sentences"
            )
        sources.append(tokens)
    return sources
