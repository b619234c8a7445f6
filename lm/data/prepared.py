"""Tokens on disk: what `wdbench prepare text` leaves, or nanoGPT, and training opens.

train.bin, val.bin   uint16 tokens, one after the other
text.json            how many there are, and how many different ones; nanoGPT has none
tokenizer.json       of `bpe`, as the package tokenizers reads it
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from lm.data.spec import TextSpec
from lm.data.tokenise import Numbers
from workload.errors import ConfigError
from workload.stages import load_stage

FORMAT = 1
RECORD = "text.json"


@dataclass(frozen=True)
class Prepared:
    """A text as tokens.

    Attributes:
        folder: with train.bin and val.bin.
        vocabulary: how many different tokens there are, or may be.
        train, val: numbers of tokens.
    """

    folder: Path
    vocabulary: int
    train: int
    val: int

    @classmethod
    def open(cls, spec: TextSpec, data_dir: Path) -> Self:
        """Read what is known of the text.

        Raises:
            ConfigError: nothing is prepared there, or a file is not the one that was written.
        """
        folder = spec.folder(data_dir)
        if spec.tokens == "bin":
            counts = [_count(folder / f"{part}.bin") for part in ("train", "val")]
            return cls(folder, spec.vocabulary, *counts)
        record = folder / RECORD
        if not record.exists():
            raise ConfigError(f"data: nothing is prepared in {folder}")
        if load_stage(folder) is None:
            raise ConfigError(
                f"{folder} is not what was prepared; move it away and prepare it again"
            )
        content: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ConfigError(
                f"{record} has format {content['format']}; this version reads {FORMAT}"
            )
        return cls(folder, content["vocabulary"], content["train"], content["val"])

    def read(self, part: str) -> Numbers:
        """The tokens of `train` or `val`, mapped from the file."""
        tokens: Numbers = np.memmap(self.folder / f"{part}.bin", dtype="<u2", mode="r")
        return tokens


def _count(file: Path) -> int:
    if not file.is_file():
        raise ConfigError(f"data: there is no {file}; tokens bin are nanoGPT's train.bin, val.bin")
    size = file.stat().st_size
    if size % 2 or not size:
        raise ConfigError(f"data: {file} has {size:,} bytes, which are no tokens of two bytes each")
    return size // 2
