"""Which text, as which tokens. Imports no torch."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from workload.errors import ConfigError

Tokens = Literal["characters", "bytes", "bpe", "bin"]
LIMIT = 2**16
"""A token is a uint16, as in nanoGPT's files."""
BYTES = 256
EMBEDDED = "grammar"
KNOWN = (EMBEDDED, "novels", "openwebtext")
"""Names that presets have; all but the first are a user's own to prepare."""
PACKED = ("", ".xz", ".gz")
"""How the names of text files may end, behind `.txt`."""


@dataclass(frozen=True)
class TextSpec:
    """A text and its tokens.

    Attributes:
        name: `grammar`, or the last name of a file or folder, of a file without its endings.
        tokens: what a token is.
        vocabulary: how many there are, where that has to be said; 0 elsewhere.
        source: what was given.
    """

    name: str
    tokens: Tokens
    vocabulary: int
    source: str

    @classmethod
    def of(cls, data: str, tokens: Tokens, vocabulary: int) -> Self:
        """`data` is a name or a path."""
        return cls(text_name(data), tokens, vocabulary, data)

    @property
    def variant(self) -> str:
        """The name of its folder: `text-characters`, or e.g. `text-bpe-4096`."""
        size = f"-{self.vocabulary}" if self.tokens == "bpe" else ""
        return f"text-{self.tokens}{size}"

    def folder(self, data_dir: Path) -> Path:
        """Where it is kept: `data/novels/text-characters`; of `bin` the folder that was given, or
        `data/NAME`."""
        if self.tokens != "bin":
            return data_dir / self.name / self.variant
        own = Path(self.source)
        return own if (own / "train.bin").exists() else data_dir / self.name

    def command(self, data_dir: Path) -> str:
        """What prepares it."""
        given = self.source if Path(self.source).exists() else f"FILE-OR-FOLDER/{self.name}"
        words = ["wdbench", "prepare", "text", given, "--tokens", self.tokens]
        if self.tokens == "bpe":
            words += ["--vocabulary", str(self.vocabulary)]
        if data_dir != Path("data"):
            words += ["--data-dir", str(data_dir)]
        return shlex.join(words)


def check_vocabulary(tokens: Tokens, vocabulary: int) -> None:
    """Raise ConfigError where such tokens cannot be so many, or have a number of their own."""
    if tokens in ("characters", "bytes"):
        if vocabulary:
            raise ConfigError(
                f"vocabulary: {tokens} have that of the text; leave it out, or write 0"
            )
    elif tokens == "bpe" and not BYTES < vocabulary <= LIMIT:
        raise ConfigError(
            f"vocabulary: {vocabulary:,} is not from {BYTES + 1} to {LIMIT:,}, as many "
            "different tokens as bpe may have; choose --vocabulary, e.g. 4096"
        )
    elif vocabulary < 2:
        raise ConfigError(f"vocabulary: tokens {tokens} need their number, e.g. 50304 for GPT-2's")


def text_name(data: str) -> str:
    """The text's own name, also of `.`; `novels` of `texts/novels.txt.xz`."""
    name = Path(os.path.abspath(data)).name if data else ""
    for end in PACKED[::-1]:
        if name.endswith(f".txt{end}"):
            return name.removesuffix(f".txt{end}")
    return name
