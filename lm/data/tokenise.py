"""Characters, bytes or subwords as numbers."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.data.spec import BYTES, LIMIT, Tokens
from workload.errors import ConfigError, UserError

Numbers = NDArray[np.uint16]


def encode(
    tokens: Tokens, vocabulary: int, train: list[str], val: list[str], folder: Path
) -> tuple[Numbers, Numbers, dict[str, Any]]:
    """Both parts of a text as numbers, and what is to be known of them.

    Args:
        tokens: all but `bin`.
        vocabulary: of `bpe`.
        train, val: blocks; subwords are learned on those of `train`.
        folder: where a tokenizer is kept.

    Raises:
        ConfigError: there are more tokens than a number can tell apart.
        UserError: the package for `bpe` is not installed.
    """
    match tokens:
        case "characters":
            return _characters(train, val)
        case "bytes":
            parts = (np.frombuffer("".join(p).encode(), np.uint8) for p in (train, val))
            first, second = (part.astype(np.uint16) for part in parts)
            return first, second, {"vocabulary": BYTES}
        case _:
            return _subwords(vocabulary, train, val, folder)


def _characters(train: list[str], val: list[str]) -> tuple[Numbers, Numbers, dict[str, Any]]:
    points = [np.frombuffer("".join(p).encode("utf-32-le"), np.uint32) for p in (train, val)]
    known = np.unique(np.concatenate(points))
    if len(known) > LIMIT:
        raise ConfigError(f"tokens: the text has {len(known):,} characters; choose bytes or bpe")
    first, second = (np.searchsorted(known, part).astype(np.uint16) for part in points)
    letters = "".join(map(chr, known.tolist()))
    return first, second, {"vocabulary": len(known), "characters": letters}


def _subwords(
    vocabulary: int, train: list[str], val: list[str], folder: Path
) -> tuple[Numbers, Numbers, dict[str, Any]]:
    """A byte-level BPE as GPT-2's, so that no text is unknown to it."""
    if importlib.util.find_spec("tokenizers") is None:
        raise UserError(
            "tokens: bpe needs the package tokenizers: `pip install 'wdbench[lm]'`; characters and "
            "bytes do not"
        )
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator(_lines(train), trainer)
    tokenizer.save(str(folder / "tokenizer.json"))

    def numbers(blocks: list[str]) -> Numbers:
        found = tokenizer.encode_batch(list(_lines(blocks)))
        return np.concatenate([np.asarray(each.ids, np.uint16) for each in found])

    return numbers(train), numbers(val), {"vocabulary": tokenizer.get_vocab_size()}


def _lines(blocks: Iterable[str]) -> Iterator[str]:
    for block in blocks:
        yield from block.splitlines(keepends=True)
