"""What is made of a text. Imports no torch."""

import math
import re
import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from nlp.data.tokenisation import TOKENISATIONS, Tokenisation
from workload.errors import ConfigError

SPLITS = ("train", "valid", "test")
LANGUAGE = "[A-Za-z]+([_-][A-Za-z0-9]+)*"


@dataclass(frozen=True)
class Preparation:
    """What is made of a text: beside the text's own name all that a corpus is told apart by.

    Its keys are those of a recipe and of corpus.json, with the same defaults; those unlike them
    stand in the names of folders, so that corpora of one text lie side by side.

    Attributes:
        source, target: languages.
        bpe: merge operations; pieces of sentencepiece.
        joined: whether both languages share one dictionary.
        tokenisation: by name (`nlp/data/tokenisation.py`).
        subwords: how sentencepiece learns its pieces.
        ratio: of the longer to the shorter side of a training pair, at most; 0 for the usual one.
        longest: side of a training pair, in tokens or characters; 0 for the usual one.
        vocabulary: of a run (`Corpus.vocabulary`), in place of one that is made of the text.
    """

    source: str = "de"
    target: str = "en"
    bpe: int = 10_000
    joined: bool = False
    tokenisation: Tokenisation = "moses"
    subwords: Literal["bpe", "unigram"] = "bpe"
    ratio: float = 0.0
    longest: int = 0
    vocabulary: str = ""

    def __post_init__(self) -> None:
        if self.bpe < 1:
            raise ConfigError(f"bpe: {self.bpe} is not a number of merge operations, 1 or more")
        for key, language in (("source", self.source), ("target", self.target)):
            if not re.fullmatch(LANGUAGE, language):
                raise ConfigError(f"{key}: {language!r} is no code of a language, as de or pt-BR")
        if self.source == self.target:
            raise ConfigError(f"source and target are both {self.source!r}; they must differ")
        if self.tokenisation not in TOKENISATIONS:
            known = ", ".join(TOKENISATIONS)
            raise ConfigError(f"tokenisation: {self.tokenisation!r} is none of {known}")
        if self.subwords != "bpe" and self.tokenisation != "sentencepiece":
            raise ConfigError(
                f"subwords: {self.subwords} is learned by sentencepiece alone; choose "
                "--tokenisation sentencepiece"
            )
        if not (self.ratio == 0 or 1 <= self.ratio < math.inf):
            raise ConfigError(f"ratio: {self.ratio:g} is no ratio of lengths, 1 or more")
        if self.longest < 0:
            raise ConfigError(f"longest: {self.longest} is no length, 1 or more")
        if not re.fullmatch("([0-9a-f]{8})?", self.vocabulary):
            raise ConfigError(
                f"vocabulary: {self.vocabulary!r} is no vocabulary as `wdbench prepare "
                "--vocabulary-of RUN` names it"
            )

    @classmethod
    def of(cls, values: Any) -> "Preparation":
        """From what has its keys as attributes: a recipe, or a command's arguments."""
        return cls(**{field.name: getattr(values, field.name) for field in fields(cls)})

    @property
    def pair(self) -> tuple[str, str]:
        return self.source, self.target

    @property
    def text(self) -> str:
        """Name of the stage with tokens."""
        return f"text{self._of_text}"

    @property
    def codes(self) -> str:
        """Name of the stage with merge operations."""
        kind = "" if self.subwords == "bpe" else f"{self.subwords}-"
        return f"codes-{kind}{self.bpe}{self._of_text}"

    @property
    def codes_file(self) -> str:
        """Name of the file that subwords are split by; none with `characters`."""
        match self.tokenisation:
            case "characters":
                return ""
            case "sentencepiece":
                return "sentencepiece.model"
            case _:
                return "codes"

    @property
    def corpus(self) -> str:
        """Name of the corpus's folder."""
        learned = f"{self.subwords}-{self.bpe}" if self.codes_file else "subwords"
        joined = "-joined" if self.joined else ""
        return f"{learned}{joined}{self._of_text}{self.vocabulary and f'-of-{self.vocabulary}'}"

    @property
    def _of_text(self) -> str:
        default = Preparation()
        parts: list[str] = []
        if self.tokenisation != default.tokenisation:
            parts.append(self.tokenisation)
        if self.pair != default.pair:
            parts += [language.replace("-", "_") for language in self.pair]
        if self.ratio:
            parts.append(f"ratio{self.ratio:g}")
        if self.longest:
            parts.append(f"longest{self.longest}")
        return "".join(f"-{part}" for part in parts)

    def flags(self, other: "Preparation | None" = None, *, prepare: bool = False) -> list[str]:
        """What has to be typed where `other`, or the defaults, would be taken.

        Args:
            other: another preparation.
            prepare: as `wdbench prepare` takes it, whose switches have no value.
        """
        found = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value == getattr(other or Preparation(), field.name):
                continue
            if field.name == "bpe" and not self.codes_file:
                continue
            if isinstance(value, bool):
                shown = [] if prepare else [str(value).lower()]
            else:
                shown = [f"{value:g}" if isinstance(value, float) else str(value)]
            if prepare and field.name == "vocabulary":
                found += ["--vocabulary-of", "RUN"]
            else:
                found += [f"--{field.name}", *shown]
        return found


def prepare_command(data: str, data_dir: Path, preparation: Preparation) -> str:
    """What makes a corpus."""
    flags = preparation.flags(prepare=True)
    if "--bpe" not in flags and preparation.codes_file:
        flags = ["--bpe", str(preparation.bpe), *flags]
    places = [] if data_dir == Path("data") else ["--data-dir", str(data_dir)]
    return shlex.join(["wdbench", "prepare", data, *flags, *places])


@dataclass(frozen=True)
class CorpusSpec:
    """A corpus that is to be made, checked. `folder` is where text of the user's own is."""

    name: str
    folder: Path | None
    preparation: Preparation

    @property
    def pair(self) -> tuple[str, str]:
        return self.preparation.pair
