"""Text to tokens to subwords, and back: the Moses rules, lower case, byte-pair encoding.

Lines go in and come out as text; tokens are separated by one space. Imports no torch.
"""

import functools
import re
import unicodedata
from pathlib import Path
from typing import Any

from workload.errors import ConfigError

UNSEPARATED = ("zh", "yue")
SEPARATOR = "@@"  # ends every subword but a word's last


INVISIBLE = re.compile(
    "[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]"
)
"""Soft hyphens, zero-width spaces, marks of direction and of byte order. Joiners (U+200C, U+200D)
are none of them: they change how letters and signs read."""


def normalise(line: str) -> str:
    """Equal text for text that looks equal: Unicode's composed form NFC, without what is not seen.

    Published corpora are not passed through this: the training text of IWSLT'14 has soft hyphens
    and a byte order mark, which count in its published dictionaries.
    """
    return unicodedata.normalize("NFC", INVISIBLE.sub("", line))


def languages() -> list[str]:
    """Codes of the languages that have Moses rules, e.g. `de`."""
    from sacremoses.tokenize import nonbreaking_prefixes

    return sorted(set(nonbreaking_prefixes.available_langs.values()))


def check_language(language: str) -> None:
    """Raise ConfigError for a language without rules: Moses would take the English ones. Chinese
    and Cantonese have some, for text whose words are separated already."""
    known = [each for each in languages() if each not in UNSEPARATED]
    if language not in known:
        why = "separates no words" if language in UNSEPARATED else "has no rules of Moses"
        raise ConfigError(
            f"language {language!r} {why}; choose --tokenisation sentencepiece or characters, or "
            f"none for text that is tokenised already; moses knows {' '.join(known)}"
        )


def tokenise(line: str, language: str) -> str:
    """Moses tokenisation with special characters escaped (`&apos;`), as tokenizer.perl does it.

    sacremoses leaves the final period on abbreviations at the end of a line; Moses always splits
    it off the last token, and so does this.
    """
    text: str = _tokeniser(language).tokenize(line, return_str=True, escape=True)
    if text.endswith(".") and text[-2:-1] not in ("", " ", "."):
        return f"{text[:-1]} ."
    return text


def lower_case(line: str) -> str:
    """The same letters that Moses' lowercase.perl changes."""
    return line.lower()


def detokenise(line: str, language: str) -> str:
    """Tokens back to text as people write it, escapes undone. Case stays as it is."""
    text: str = _detokeniser(language).detokenize(line.split())
    return text


class Segmenter:
    """Splits tokens into subwords with the merge operations of a `codes` file."""

    def __init__(self, codes: Path) -> None:
        from subword_nmt.apply_bpe import BPE

        with codes.open(encoding="utf-8", newline="\n") as file:
            self._bpe: Any = BPE(file, separator=SEPARATOR)

    def segment(self, line: str) -> str:
        """`einhundert ,` becomes `ein@@ hundert ,`."""
        return " ".join(self._bpe.segment_tokens(line.split(" ")))


@functools.cache
def _tokeniser(language: str) -> Any:
    from sacremoses import MosesTokenizer

    check_language(language)
    return MosesTokenizer(language)


@functools.cache
def _detokeniser(language: str) -> Any:
    from sacremoses import MosesDetokenizer

    return MosesDetokenizer(language)
