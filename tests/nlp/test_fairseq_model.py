"""The sizes of the published recipe: parameters of the model, batches of an epoch."""

import numpy as np
import pytest
import torch

from nlp.config import Recipe
from tests.nlp.data import iwslt_lines

pytest.importorskip("fairseq", reason="fairseq is not installed")

from nlp.batches import TrainingBatches
from nlp.fairseq_model import build_model, quiet

with quiet():
    from fairseq.data import Dictionary, LanguagePairDataset
    from fairseq.tasks.translation import TranslationConfig, TranslationTask


def dictionary(types):
    words = Dictionary()
    for number in range(types - len(words)):
        words.add_symbol(f"word{number}")
    return words


def task_of(source, target):
    task = TranslationTask(TranslationConfig(), source, target)
    task.cfg.train_subset = "train"
    return task


class Lengths:
    """A side of a corpus of which only the lengths are known."""

    def __init__(self, sizes):
        self.sizes = np.array(sizes)

    def __len__(self):
        return len(self.sizes)


def task_with_lengths(source, target):
    words = dictionary(8)
    task = task_of(words, words)
    src, tgt = Lengths(source), Lengths(target)
    task.datasets["train"] = LanguagePairDataset(src, src.sizes, words, tgt, tgt.sizes, words)
    return task


@pytest.mark.parametrize(
    ("joined", "source_types", "target_types", "parameters"),
    [(False, 8_848, 6_632, 39_469_056), (True, 10_152, 10_152, 36_741_120)],
)
def test_the_model_has_the_published_number_of_parameters(
    joined, source_types, target_types, parameters
):
    source = dictionary(source_types)
    target = source if joined else dictionary(target_types)
    with torch.device("meta"):
        model = build_model(Recipe(joined=joined), task_of(source, target))
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


@pytest.mark.slow
def test_the_true_training_lengths_make_1101_batches_of_4096_tokens():
    source = [int(line) for line in iwslt_lines("meta/train_lengths.de.txt")]
    target = [int(line) for line in iwslt_lines("meta/train_lengths.en.txt")]
    assert len(source) == 160_239
    task = task_with_lengths(source, target)
    assert TrainingBatches(task, 4_096, 1, 0, 1).per_epoch == 1_101


def test_fairseq_leaves_logging_as_it_was():
    import logging

    before = (logging.getLogger().level, list(logging.getLogger().handlers))
    with quiet():
        logging.basicConfig(level=logging.DEBUG, force=True)
    assert (logging.getLogger().level, logging.getLogger().handlers) == before
    assert logging.root.manager.disable < logging.WARNING
