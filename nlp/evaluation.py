"""Losses and BLEU of a model on a split, and the texts they come from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nlp.batches import validation_batches
from nlp.bleu import Score, chrf, detokenised, ter, tokenised, tokeniser_of
from nlp.config import Recipe
from nlp.data.corpus import Corpus
from nlp.data.tokenisation import Tokenisation, join, separates_words, to_text
from nlp.decoding import decode
from nlp.loss import BITS, batch_loss
from nlp.stopping import StoppedError
from nlp.transformer import Transformer
from workload.files import write_whole

TER_SENTENCES = 2_000
"""Most sentences of which TER is taken: sacrebleu's search for shifts takes a tenth of a second in
a sentence of 25 words, ten minutes of a core for the test set of IWSLT'14."""


@dataclass(frozen=True)
class Translations:
    """Hypotheses of some sentences of a split, in words.

    `indices` are the sentences' line numbers, from 0.
    """

    split: str
    indices: Sequence[int]
    tokenised: list[str]
    tokenisation: Tokenisation = "moses"

    def detokenised(self, language: str) -> list[str]:
        return [to_text(self.tokenisation, line, language) for line in self.tokenised]


@torch.inference_mode()
def losses(
    model: nn.Module,
    task: Any,
    split: str,
    recipe: Recipe,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, float]:
    """`<split>/loss` and `<split>/nll`: bits per target token, with and without label smoothing.

    `stop` is asked before every batch; StoppedError where it says so.
    """
    model.eval()
    device = next(model.parameters()).device
    transformer = Transformer(model)
    loss = nll = 0.0
    tokens = 0
    for batch in validation_batches(task, split, recipe.max_tokens):
        if stop():
            raise StoppedError
        sums = batch_loss(
            transformer, on(batch, device), recipe.label_smoothing, task.target_dictionary.pad()
        )
        loss, nll = loss + float(sums.loss), nll + float(sums.nll)
        tokens += sums.tokens
    return {f"{split}/loss": BITS * loss / tokens, f"{split}/nll": BITS * nll / tokens}


def translate_split(
    model: nn.Module,
    task: Any,
    split: str,
    recipe: Recipe,
    *,
    sentences: int = 0,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Translations:
    """Decode a split, or about `sentences` of it at even distances. StoppedError as `decode`."""
    dataset = task.dataset(split)
    every = -(-len(dataset) // sentences) if sentences else 1
    indices = range(0, len(dataset), every)
    hypotheses = decode(
        model,
        task,
        [dataset.src[index] for index in indices],
        beam=recipe.beam,
        device=next(model.parameters()).device,
        progress=progress,
        stop=stop,
    )
    dictionary = task.target_dictionary
    lines = [join(recipe.tokenisation, dictionary.string(tokens)) for tokens in hypotheses]
    return Translations(split, indices, lines, recipe.tokenisation)


def tokenised_bleu(translations: Translations, corpus: Corpus) -> Score:
    """BLEU of words as they are; where nothing separates them, as sacrebleu splits the language."""
    references = corpus.text(translations.split, "tok", corpus.target)
    words = separates_words(corpus.preparation.tokenisation)
    return tokenised(
        translations.tokenised,
        [references[index] for index in translations.indices],
        tokeniser="none" if words else tokeniser_of(corpus.target),
    )


def detokenised_bleu(translations: Translations, corpus: Corpus) -> Score:
    references = corpus.text(translations.split, "raw", corpus.target)
    return detokenised(
        translations.detokenised(corpus.target),
        [references[index] for index in translations.indices],
        tokeniser=tokeniser_of(corpus.target),
    )


def other_scores(
    translations: Translations, corpus: Corpus, stop: Callable[[], bool]
) -> dict[str, float | str]:
    """chrF and TER of a split with their signatures, as a row has them; no TER of more than
    TER_SENTENCES. StoppedError as `ter`."""
    split = translations.split
    every = corpus.text(split, "raw", corpus.target)
    references = [every[index] for index in translations.indices]
    hypotheses = translations.detokenised(corpus.target)
    found = {"chrf": chrf(hypotheses, references)}
    if len(hypotheses) <= TER_SENTENCES:
        found["ter"] = ter(hypotheses, references, tokeniser_of(corpus.target), stop)
    values = {f"{split}/{name}": score.value for name, score in found.items()}
    return values | {f"{split}/signature_{name}": each.signature for name, each in found.items()}


def write_texts(run: Path, translations: Translations, corpus: Corpus, suffix: str = "") -> None:
    """Hypotheses with and without tokenisation, references and sources, a line per sentence."""
    split = translations.split
    texts = {
        f"{split}.hypotheses{suffix}.txt": translations.detokenised(corpus.target),
        f"{split}.hypotheses{suffix}.tok.txt": translations.tokenised,
        f"{split}.references.txt": corpus.text(split, "raw", corpus.target),
        f"{split}.sources.txt": corpus.text(split, "raw", corpus.source),
    }
    for name, lines in texts.items():
        write_whole(run / name, "".join(f"{line}\n" for line in lines).encode())


def on(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """A fairseq batch with every tensor on a device."""
    return {
        key: on(value, device)
        if isinstance(value, dict)
        else value.to(device)
        if isinstance(value, torch.Tensor)
        else value
        for key, value in batch.items()
    }
