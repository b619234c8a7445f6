"""What is made of a text. Imports no torch."""

import re
import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

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
        bpe: merge operations.
        joined: whether both languages share one dictionary.
    """

    source: str = "de"
    target: str = "en"
    bpe: int = 10_000
    joined: bool = False

    def __post_init__(self) -> None:
        if self.bpe < 1:
            raise ConfigError(f"bpe: {self.bpe} is not a number of merge operations, 1 or more")
        for key, language in (("source", self.source), ("target", self.target)):
            if not re.fullmatch(LANGUAGE, language):
                raise ConfigError(f"{key}: {language!r} is no code of a language, as de or pt-BR")
        if self.source == self.target:
            raise ConfigError(f"source and target are both {self.source!r}; they must differ")

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
        return f"codes-{self.bpe}{self._of_text}"

    @property
    def corpus(self) -> str:
        """Name of the corpus's folder."""
        return f"bpe-{self.bpe}{'-joined' if self.joined else ''}{self._of_text}"

    @property
    def _of_text(self) -> str:
        default = Preparation()
        languages = "-".join(language.replace("-", "_") for language in self.pair)
        return "" if self.pair == default.pair else f"-{languages}"

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
            if isinstance(value, bool):
                shown = [] if prepare else [str(value).lower()]
            else:
                shown = [str(value)]
            found += [f"--{field.name}", *shown]
        return found


def prepare_command(data: str, data_dir: Path, preparation: Preparation) -> str:
    """What makes a corpus."""
    flags = preparation.flags(prepare=True)
    if "--bpe" not in flags:
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
