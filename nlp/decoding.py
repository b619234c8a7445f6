"""Translation with beam search: for every source, its best hypotheses."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nlp.fairseq_model import MAX_POSITIONS, quiet

GENERATE_TOKENS = 12_000
"""Tokens per batch of fairseq-generate when it is given no batch size."""

BATCH_TOKENS = {"cpu": 1_024, "gpu": 12_000}
"""Source tokens per batch: on a CPU few enough for its caches, on a GPU enough to fill it."""


def length_limit(length: int, max_len_a: float = 1.2, max_len_b: int = 10) -> int:
    """Most tokens, before the end mark, of the translation of `length` tokens with end mark."""
    return min(int(max_len_a * length + max_len_b), MAX_POSITIONS - 1)


def generate_limits(task: Any, split: str) -> list[int]:
    """The limits that `fairseq-generate --max-len-a 1.2 --max-len-b 10` sets on a loaded split.

    It limits by the longest source of the batch, so that a sentence that does not come to an end
    is cut off later than by its own length. It also leaves out the last batch where that is no
    multiple of 8 sentences; those get the limit that the batch would have had.
    """
    dataset = task.dataset(split)
    with quiet():
        batches = task.get_batch_iterator(
            dataset=dataset,
            max_tokens=GENERATE_TOKENS,
            max_positions=(MAX_POSITIONS, MAX_POSITIONS),
            required_batch_size_multiple=8,
            disable_iterator_cache=True,
        ).frozen_batches
    left_out = set(range(len(dataset))).difference(*batches)
    limits = [0] * len(dataset)
    for batch in (*batches, left_out):
        for index in batch:
            limits[index] = length_limit(max(int(dataset.src_sizes[index]) for index in batch))
    return limits


class Hypothesis(NamedTuple):
    """Tokens, int64 [length] on the CPU with the end mark, and their score."""

    tokens: Tensor
    score: float


def decode(model: nn.Module, task: Any, sources: Sequence[Tensor], **options: Any) -> list[Tensor]:
    """The best hypothesis of every source, int64 [length] on the CPU; with the options, and errors,
    of `search`."""
    return [found[0].tokens for found in search(model, task, sources, n_best=1, **options)]


@torch.inference_mode()
def search(
    model: nn.Module,
    task: Any,
    sources: Sequence[Tensor],
    *,
    beam: int = 5,
    n_best: int | None = None,
    length_penalty: float = 1.0,
    no_repeat_ngram: int = 0,
    limits: Sequence[int] | None = None,
    max_tokens: int | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> list[list[Hypothesis]]:
    """The hypotheses of every source, best first, as fairseq-generate finds them.

    A hypothesis' score is log2 p / length^length_penalty, the end mark counted, as
    fairseq-generate prints it.

    Args:
        model: of `nlp.fairseq_model.build_model`; it comes back in the mode it was in.
        task: fairseq's TranslationTask, for its dictionaries.
        sources: int64 [length] each, with the end mark.
        beam: hypotheses kept per sentence.
        n_best: those returned; all when None.
        length_penalty: above 1 favours long ones, below 1 short ones.
        no_repeat_ngram: length of the sequences of subwords none of which comes twice in a
            hypothesis, 2 or more; 0 allows all.
        limits: per source, the most tokens before the end mark; by its own length when None.
        max_tokens: source tokens per batch, with padding; None takes what suits the device. A
            single longer source is a batch. It changes no hypothesis.
        device: where the model is.
        progress: called with the sentences done and all of them after every batch.
        stop: asked before every word.

    Raises:
        StoppedError: `stop` said so.

    Returns:
        In the order of the sources; at most `n_best` of each.
    """
    from nlp.beam_search import Generator

    with quiet():
        from fairseq.data.data_utils import collate_tokens

    if max_tokens is None:
        max_tokens = BATCH_TOKENS["cpu" if torch.device(device).type == "cpu" else "gpu"]
    if limits is None:
        limits = [length_limit(len(source)) for source in sources]
    pad, eos = task.source_dictionary.pad(), task.source_dictionary.eos()
    training = model.training
    found: dict[int, list[Hypothesis]] = {}
    try:
        generator = Generator(
            model, task.target_dictionary, beam, stop, length_penalty, no_repeat_ngram
        )
        for indices in _batches(sources, max_tokens):
            tokens = collate_tokens([sources[index] for index in indices], pad, eos, left_pad=True)
            of_batch = generator.hypotheses(tokens.to(device), [limits[index] for index in indices])
            for index, hypotheses in zip(indices, of_batch, strict=True):
                found[index] = [
                    Hypothesis(each["tokens"].cpu(), float(each["score"]) / math.log(2))
                    for each in hypotheses[:n_best]
                ]
            if progress is not None:
                progress(len(found), len(sources))
    finally:
        model.train(training)
    return [found[index] for index in range(len(sources))]


def _batches(sources: Sequence[Tensor], max_tokens: int) -> Iterator[list[int]]:
    """Indices of sources of similar length, longest first."""
    batch: list[int] = []
    longest = 0
    for index in sorted(range(len(sources)), key=lambda index: -len(sources[index])):
        longest = longest or len(sources[index])
        if batch and (len(batch) + 1) * longest > max_tokens:
            yield batch
            batch, longest = [], len(sources[index])
        batch.append(index)
    if batch:
        yield batch
