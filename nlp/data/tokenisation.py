"""Tokenisations by name: text to words to subwords, and back. Imports no torch.

    name            words                                       subwords
    moses           by Moses' rules, in lower case              merged by subword-nmt
    none            of text that is tokenised already           the same
    sentencepiece   the text as it is                           of sentencepiece, spaces among them
    characters      the same                                    characters, spaces among them

Lines go in and come out as text; words and subwords are separated by one space.
"""

from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from nlp.data.text import SEPARATOR, Segmenter, check_language, detokenise, lower_case, tokenise
from nlp.packages import require_packages

Tokenisation = Literal["moses", "sentencepiece", "characters", "none"]
TOKENISATIONS: tuple[Tokenisation, ...] = get_args(Tokenisation)
SPACE = "\u2581"
"""Stands for a space where spaces separate subwords; sentencepiece's sign."""


def separates_words(tokenisation: Tokenisation) -> bool:
    """Whether its words are words: something to count, and to compare by BLEU."""
    return tokenisation in ("moses", "none")


def check_tokenisation(tokenisation: Tokenisation, language: str) -> None:
    """Raise UserError where a language is none of the tokenisation's, or a package is missing."""
    if tokenisation == "moses":
        check_language(language)
    if tokenisation == "sentencepiece":
        require_packages("sentencepiece")


def to_words(tokenisation: Tokenisation, line: str, language: str) -> str:
    """A line as people write it to words."""
    if tokenisation == "moses":
        return lower_case(tokenise(line, language))
    return " ".join(line.split())


def to_text(tokenisation: Tokenisation, words: str, language: str) -> str:
    """Words to a line as people write it."""
    return detokenise(words, language) if tokenisation == "moses" else words


class Subwords(Protocol):
    """Splits lines of words."""

    def segment(self, line: str) -> str:
        """Words to subwords."""


def subwords(tokenisation: Tokenisation, codes: Path) -> Subwords:
    """What splits words, with the file that was learned; `characters` has none."""
    match tokenisation:
        case "characters":
            return Characters()
        case "sentencepiece":
            return SentencePieces(codes)
        case "moses" | "none":
            return Segmenter(codes)


def join(tokenisation: Tokenisation, line: str) -> str:
    """Subwords to words."""
    if separates_words(tokenisation):
        return f"{line} ".replace(f"{SEPARATOR} ", "").rstrip()
    return line.replace(" ", "").replace(SPACE, " ").strip()


class Characters:
    """Every character by itself."""

    def segment(self, line: str) -> str:
        return " ".join(line.replace(" ", SPACE))


class SentencePieces:
    """Pieces of a model that `nlp.data.pieces.learn` has written."""

    def __init__(self, model: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        self._processor: Any = SentencePieceProcessor(model_proto=model.read_bytes())

    def segment(self, line: str) -> str:
        return " ".join(self._processor.encode(line, out_type=str))
