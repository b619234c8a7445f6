"""A prepared corpus on disk: what `wdbench prepare` leaves and training opens. Imports no torch."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlp.data.spec import SPLITS, Preparation, prepare_command
from workload.errors import ConfigError
from workload.files import write_whole
from workload.stages import load_stage, sha256

FORMAT = 1
LATER = ("tokenisation", "subwords", "ratio", "longest", "vocabulary")  # not in every record
RECORD = "corpus.json"
KNOWN = ("iwslt14", "multi30k", "grammar")


def corpus_name(data: str) -> str:
    """The corpus's own name; of a user's folder the last one of its path, also for `.`."""
    return Path(os.path.abspath(data)).name


def corpus_folder(data_dir: Path, data: str, preparation: Preparation) -> Path:
    """`data/multi30k/bpe-5000-joined`; of a user's folder, its last name stands for it."""
    return data_dir / corpus_name(data) / preparation.corpus


def how_to_prepare(data: str, data_dir: Path, preparation: Preparation) -> str:
    """The command; where a user's text is no folder, its place is left open."""
    if data not in KNOWN and not Path(data).is_dir():
        data = f"FOLDER/{corpus_name(data)}"
    return prepare_command(data, data_dir, preparation)


def prepared(data_dir: Path, data: str) -> "Iterator[Corpus]":
    """Whole corpora of a text, by the name of their folder."""
    for record in sorted((data_dir / corpus_name(data)).glob("*/corpus.json")):
        with suppress(ConfigError):
            corpus = Corpus.open(record.parent)
            if corpus.folder.name == corpus.preparation.corpus:  # else an earlier version's
                yield corpus


@dataclass(frozen=True)
class Corpus:
    """Binarised splits, dictionaries, codes and reference texts of one language pair.

    Attributes:
        folder: where its files are; fairseq reads them there.
        name: the corpus, e.g. `iwslt14`.
        preparation: what was made of the text.
        splits: per split, its `pairs`, `source_tokens` and `target_tokens` with end marks.
    """

    folder: Path
    name: str
    preparation: Preparation
    splits: dict[str, dict[str, int]]

    @property
    def source(self) -> str:
        """The language translated from."""
        return self.preparation.source

    @property
    def target(self) -> str:
        """The language translated into."""
        return self.preparation.target

    @classmethod
    def find(cls, data_dir: Path, data: str, preparation: Preparation) -> "Corpus":
        """The corpus that `wdbench prepare` makes of a text. ConfigError as `open`."""
        folder = corpus_folder(data_dir, data, preparation)
        if not (folder / RECORD).exists():
            command = how_to_prepare(data, data_dir, preparation)
            name = corpus_name(data)
            raise ConfigError(f"data: {name} is not prepared in {folder}; run `{command}` first")
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> "Corpus":
        """Read what is in a folder.

        Raises:
            ConfigError: nothing is prepared there, or dictionaries or codes are not those written.
        """
        record = folder / RECORD
        if not record.exists():
            raise ConfigError(f"{folder} is no prepared corpus: it has no {RECORD}")
        try:
            content: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise ConfigError(
                    f"{record} has format {content['format']}; this version reads {FORMAT}"
                )
            corpus = cls(
                folder=folder,
                name=content["name"],
                preparation=Preparation(
                    **{key: content[key] for key in ("source", "target", "bpe", "joined")},
                    **{key: content[key] for key in LATER if key in content},
                ),
                splits=content["splits"],
            )
            digests = dict(content["sha256"])
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"{record} is damaged; move {folder} away, prepare again") from error
        for name, digest in digests.items():
            file = folder / name
            if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
                raise ConfigError(
                    f"{file} is not what was prepared; move {folder} away and prepare it again"
                )
        return corpus

    def check_text(self, own: Path) -> None:
        """Raise ConfigError where the corpus was prepared from other text than a user's folder."""
        files = [own / f"{s}.{lang}" for s in SPLITS for lang in (self.source, self.target)]
        text = load_stage(self.folder.parent / self.preparation.text)
        corpus = load_stage(self.folder)
        if text is None or corpus is None or not all(file.is_file() for file in files):
            return
        if corpus["inputs"]["text"] != text["outputs"] or any(
            text["inputs"].get(file.name) != sha256(file) for file in files
        ):
            raise ConfigError(
                f"data: {self.folder} was prepared from other text than is in {own}; "
                f"run `{prepare_command(str(own), self.folder.parent.parent, self.preparation)}`"
            )

    def copy_vocabulary(self, folder: Path) -> None:
        """Have in a folder what translation needs, without the text; `open` takes it. What is not
        what it was is written again."""
        for file in (*self.vocabulary_files, self.folder / RECORD):
            copy, content = folder / file.name, file.read_bytes()
            if not copy.is_file() or copy.read_bytes() != content:
                write_whole(copy, content)

    @property
    def vocabulary_files(self) -> list[Path]:
        """Dictionaries, and what text is split into subwords by."""
        files = [self.dictionary(language) for language in self.preparation.pair]
        return [*files, self.codes] if self.preparation.codes_file else files

    @property
    def vocabulary(self) -> str:
        """Tells vocabularies apart: 8 hexadecimal digits of a checksum of `vocabulary_files`."""
        digests = "".join(sha256(file) for file in self.vocabulary_files)
        return hashlib.sha256(digests.encode()).hexdigest()[:8]

    @property
    def codes(self) -> Path:
        """subword-nmt's merge operations, or sentencepiece's model."""
        return self.folder / self.preparation.codes_file

    def dictionary(self, language: str) -> Path:
        """fairseq's dictionary of a language."""
        return self.folder / f"dict.{language}.txt"

    def check_batches(self, max_tokens: int) -> None:
        """Raise ConfigError where train or valid has a pair that fits no batch of `max_tokens`, or
        fewer than 8 pairs: of those fairseq may make no batch at all."""
        for split in ("train", "valid"):
            pairs = self.splits[split]["pairs"]
            if pairs < 8:
                raise ConfigError(f"data: {self.name} has {pairs} {split} pairs; 8 are needed")
            sides = (self.text(split, "bpe", language) for language in (self.source, self.target))
            # subwords are one more than the spaces between them, and an end mark follows
            lengths = [max(s.count(" "), t.count(" ")) + 2 for s, t in zip(*sides, strict=True)]
            tokens = max(lengths)
            if tokens > max_tokens:
                raise ConfigError(
                    f"max_tokens: {max_tokens:,} is smaller than pair {lengths.index(tokens) + 1} "
                    f"of {split}, which has {tokens:,} tokens; choose --max-tokens {tokens} or more"
                )

    def text(self, split: str, kind: str, language: str) -> list[str]:
        """Lines of a split as text: `raw`, `tok` (words) or `bpe` (subwords)."""
        path = self.folder / f"{split}.{kind}.{language}"
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
