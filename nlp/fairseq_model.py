"""fairseq's task and transformer for a recipe and a prepared corpus."""

import contextlib
import logging
import warnings
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from torch import nn

from nlp.config import Recipe
from nlp.data.corpus import Corpus

MAX_POSITIONS = 1024
"""Longest sentence the transformer takes, in tokens with its end mark."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Only errors of fairseq pass, and the logging it configures on import is undone."""
    root = logging.getLogger()
    disabled, level, handlers = root.manager.disable, root.level, list(root.handlers)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        root.setLevel(level)
        root.handlers[:] = handlers


def build_task(recipe: Recipe, corpus: Corpus) -> Any:
    """fairseq's TranslationTask on the corpus's dictionaries and binarised splits."""
    with quiet():
        from fairseq.data import Dictionary
        from fairseq.tasks.translation import TranslationConfig, TranslationTask

        config = TranslationConfig(
            data=str(corpus.folder),
            source_lang=recipe.source,
            target_lang=recipe.target,
            max_source_positions=MAX_POSITIONS,
            max_target_positions=MAX_POSITIONS,
            # left to Hydra's interpolation otherwise
            train_subset="train",
            dataset_impl=None,
            required_seq_len_multiple=1,
        )
        # not by setup_task, which takes a path with a colon in it for several
        sides = (corpus.source, corpus.target)
        dictionaries = [Dictionary.load(str(corpus.dictionary(language))) for language in sides]
        return TranslationTask(config, *dictionaries)


def build_model(recipe: Recipe, task: Any) -> nn.Module:
    """fairseq's TransformerModel, architecture transformer_iwslt_de_en, at the recipe's sizes.

    Post-norm, sinusoidal positions, ReLU. Initialised from torch's global generator: seed it first.
    """
    with quiet():
        from fairseq.models.transformer import TransformerModel

        model: nn.Module = TransformerModel.build_model(model_arguments(recipe), task)
        return model


def model_arguments(recipe: Recipe) -> Namespace:
    """What fairseq builds that model from."""
    with quiet():
        from fairseq.models.transformer.transformer_legacy import transformer_iwslt_de_en

        sizes = {
            f"{side}_{key}": value
            for side in ("encoder", "decoder")
            for key, value in {
                "embed_dim": recipe.width,
                "ffn_embed_dim": recipe.feed_forward,
                "attention_heads": recipe.heads,
                "layers": recipe.layers,
            }.items()
        }
        arguments = Namespace(
            **sizes,
            dropout=recipe.dropout,
            share_all_embeddings=recipe.joined,
            share_decoder_input_output_embed=not recipe.joined,
            max_source_positions=MAX_POSITIONS,
            max_target_positions=MAX_POSITIONS,
        )
        transformer_iwslt_de_en(arguments)
        return arguments


def load_split(task: Any, split: str) -> Any:
    """The split as fairseq's LanguagePairDataset; it stays in `task.datasets` as well."""
    with quiet():
        from fairseq.tasks.translation import load_langpair_dataset

        # as TranslationTask.load_dataset, which takes a path with a colon in it for several
        task.datasets[split] = load_langpair_dataset(
            task.cfg.data,
            split,
            task.cfg.source_lang,
            task.src_dict,
            task.cfg.target_lang,
            task.tgt_dict,
            combine=False,
            dataset_impl=None,
            upsample_primary=task.cfg.upsample_primary,
            left_pad_source=True,
            left_pad_target=False,
            max_source_positions=MAX_POSITIONS,
            max_target_positions=MAX_POSITIONS,
            shuffle=split != "test",
        )
    return task.dataset(split)
