"""Beam search with fairseq's SequenceGenerator: for every source, its best translation."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nlp.network import quiet


@torch.inference_mode()
def translate(
    model: nn.Module,
    task: Any,
    sources: Sequence[Tensor],
    *,
    beam: int = 5,
    max_len_a: float = 1.2,
    max_len_b: int = 10,
    max_tokens: int = 1_024,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> list[Tensor]:
    """The best hypothesis of every source.

    Args:
        model: fairseq's TransformerModel; it comes back in the mode it was in.
        task: fairseq's TranslationTask, for its dictionaries.
        sources: int64 [length] each, with the end mark.
        beam: hypotheses kept per sentence.
        max_len_a, max_len_b: a hypothesis has at most int(max_len_a * length + max_len_b) tokens
            before its end mark.
        max_tokens: source tokens per batch, with padding.
        device: where the model is.
        progress: called with the sentences done and all of them after every batch.

    Returns:
        int64 [length] on the CPU, with the end mark, in the order of the sources.
    """
    with quiet():
        from fairseq.data.data_utils import collate_tokens
        from fairseq.sequence_generator import SequenceGenerator

    dictionary = task.target_dictionary
    pad, eos = task.source_dictionary.pad(), task.source_dictionary.eos()
    training = model.training
    best: dict[int, Tensor] = {}
    try:
        # puts the model into evaluation mode; kept nowhere, for it holds the model as a submodule
        generator = SequenceGenerator(
            [model], dictionary, beam_size=beam, max_len_a=max_len_a, max_len_b=max_len_b
        )
        for places in _batches(sources, max_tokens):
            tokens = collate_tokens([sources[place] for place in places], pad, eos, left_pad=True)
            lengths = torch.tensor([len(sources[place]) for place in places])
            batch = {"src_tokens": tokens.to(device), "src_lengths": lengths.to(device)}
            for place, hypotheses in zip(
                places, generator.generate([model], {"net_input": batch}), strict=True
            ):
                best[place] = hypotheses[0]["tokens"].cpu()
            if progress is not None:
                progress(len(best), len(sources))
    finally:
        model.train(training)
    return [best[place] for place in range(len(sources))]


def _batches(sources: Sequence[Tensor], max_tokens: int) -> Iterator[list[int]]:
    """Places of sources of similar length, longest first."""
    batch: list[int] = []
    longest = 0
    for place in sorted(range(len(sources)), key=lambda place: -len(sources[place])):
        longest = longest or len(sources[place])
        if batch and (len(batch) + 1) * longest > max_tokens:
            yield batch
            batch, longest = [], len(sources[place])
        batch.append(place)
    if batch:
        yield batch
