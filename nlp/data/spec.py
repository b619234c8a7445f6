"""What is to be prepared."""

from dataclasses import dataclass
from pathlib import Path

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class CorpusSpec:
    """A corpus and its settings, checked. `folder` is where text of the user's own is."""

    name: str
    folder: Path | None
    source: str
    target: str
    bpe: int
    joined: bool

    @property
    def pair(self) -> tuple[str, str]:
        return self.source, self.target
