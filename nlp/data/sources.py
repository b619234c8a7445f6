"""The corpora: where their files come from, and the raw sentence pairs in them."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nlp.data.lines import read_lines
from nlp.data.text import normalise
from workload.errors import ConfigError

Pairs = tuple[list[str], list[str]]  # source lines, target lines

IWSLT_TESTS = ("TED.dev2010", "TEDX.dev2012", "TED.tst2010", "TED.tst2011", "TED.tst2012")
MULTI30K_SPLITS = {"train": "train", "valid": "val", "test": "test_2016_flickr"}
MULTI30K_URL = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
GRAMMAR_SPLITS = {"train": 24_000, "valid": 500, "test": 500}  # pairs


@dataclass(frozen=True)
class Raw:
    """Cased, untokenised pairs per split.

    Attributes:
        splits: train, valid and test.
        ratio: of lengths, above which a training pair is no translation; None for the usual one.
        valid_every: with n, every n-th training pair that cleaning leaves is for validation.
        report: counts of lines left out so far.
    """

    splits: dict[str, Pairs]
    ratio: float | None = None
    valid_every: int | None = None
    report: dict[str, int] = field(default_factory=dict)

    def reversed(self) -> "Raw":
        """The same pairs, translated the other way."""
        return replace(self, splits={name: (t, s) for name, (s, t) in self.splits.items()})


@dataclass(frozen=True)
class PublishedCorpus:
    """A corpus with a publisher.

    Attributes:
        urls: what is downloaded; either one archive, or gzipped files.
        files: names of the files that preparation reads.
        sha256: of files, where known. The archive of IWSLT'14 has no published checksum: the
            counts and checksums of what is made from it prove it (`nlp/data/verification.py`).
        read: raw pairs out of a folder with the files, from de into en.
    """

    urls: tuple[str, ...]
    files: tuple[str, ...]
    sha256: Mapping[str, str]
    read: Callable[[Path], Raw]


def read_iwslt14(folder: Path) -> Raw:
    """Transcripts, titles and descriptions of the talks; the test set is five evaluation sets."""
    sides = [_training_lines(folder / f"train.tags.de-en.{language}") for language in ("de", "en")]
    _check_equal(folder, "train.tags.de-en", ("de", "en"), *(lines for lines, _ in sides))
    test: Pairs = ([], [])
    for name in IWSLT_TESTS:
        parts = [segments(folder / f"IWSLT14.{name}.de-en.{lang}.xml") for lang in ("de", "en")]
        _check_equal(folder, f"IWSLT14.{name}.de-en", ("de.xml", "en.xml"), *parts)
        for lines, part in zip(test, parts, strict=True):
            lines += part
    report = {"lines of links, numbers and keywords": sides[0][1]}
    return Raw({"train": (sides[0][0], sides[1][0]), "test": test}, valid_every=23, report=report)


def read_multi30k(folder: Path) -> Raw:
    """Captions; the test set is that of 2016.

    All translate each other, short ones freely: no ratio is too high. So did the fairseq run that
    this suite is measured against (29,000 pairs, 258 updates per epoch at 2,048 tokens).
    """
    splits = {split: _pair(folder, name, "de", "en") for split, name in MULTI30K_SPLITS.items()}
    return Raw(splits, ratio=math.inf)


def read_own(folder: Path, source: str, target: str) -> Raw:
    """Anyone's text: `train.de`, `train.en`, `valid.de` and so on, a sentence per line,
    normalised."""
    splits = {}
    for split in MULTI30K_SPLITS:
        ours, theirs = _pair(folder, split, source, target)
        splits[split] = [normalise(line) for line in ours], [normalise(line) for line in theirs]
    return Raw(splits)


def own_files(folder: Path, source: str, target: str) -> list[Path]:
    """The six files of anyone's text. ConfigError names the first that is missing."""
    paths = [folder / f"{split}.{lang}" for split in MULTI30K_SPLITS for lang in (source, target)]
    for path in paths:
        if not path.is_file():
            raise ConfigError(
                f"{path} does not exist; a folder of your own holds train, valid and test, each "
                f"as .{source} and .{target} (--source, --target)"
            )
    return paths


def grammar() -> Raw:
    """Sentences of the embedded grammar, all different."""
    from workload.grammar import pairs

    generated: Any = iter(pairs(sum(GRAMMAR_SPLITS.values()), 0))
    splits: dict[str, Pairs] = {}
    for split, count in GRAMMAR_SPLITS.items():
        part = [next(generated) for _ in range(count)]
        splits[split] = [german for german, _ in part], [english for _, english in part]
    return Raw(splits, ratio=math.inf)


def _training_lines(path: Path) -> tuple[list[str], int]:
    """Lines of a train.tags file without its markup, and how many lines were nothing else."""
    lines = read_lines(path)
    text = [line for line in lines if not re.search("<url>|<talkid>|<keywords>", line)]
    stripped = [re.sub("</?(title|description)>", "", line) for line in text]
    return stripped, len(lines) - len(text)


def segments(path: Path) -> list[str]:
    """Sentences of an evaluation set, with ' for the typographic apostrophe."""
    lines = [line for line in read_lines(path) if "<seg id" in line]
    bare = (re.sub(r"<seg id=\"[0-9]*\">\s*|\s*</seg>\s*", "", line) for line in lines)
    return [line.replace("\u2019", "'") for line in bare]


def _pair(folder: Path, name: str, source: str, target: str) -> Pairs:
    sides = [read_lines(folder / f"{name}.{language}") for language in (source, target)]
    _check_equal(folder, name, (source, target), *sides)
    return sides[0], sides[1]


def _check_equal(
    folder: Path, name: str, endings: tuple[str, str], source: list[str], target: list[str]
) -> None:
    if len(source) != len(target):
        raise ConfigError(
            f"{folder / name}.{endings[0]} has {len(source):,} sentences and {name}.{endings[1]} "
            f"has {len(target):,}; line n of one must translate line n of the other"
        )


PUBLISHED = {
    "iwslt14": PublishedCorpus(
        urls=("http://dl.fbaipublicfiles.com/fairseq/data/iwslt14/de-en.tgz",),
        files=(
            *(f"train.tags.de-en.{language}" for language in ("de", "en")),
            *(f"IWSLT14.{name}.de-en.{lang}.xml" for name in IWSLT_TESTS for lang in ("de", "en")),
        ),
        sha256={},
        read=read_iwslt14,
    ),
    "multi30k": PublishedCorpus(
        urls=tuple(
            f"{MULTI30K_URL}/{name}.{language}.gz"
            for name in MULTI30K_SPLITS.values()
            for language in ("de", "en")
        ),
        files=tuple(
            f"{name}.{language}" for name in MULTI30K_SPLITS.values() for language in ("de", "en")
        ),
        sha256={
            "train.de": "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
            "train.en": "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
            "val.de": "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
            "val.en": "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
            "test_2016_flickr.de": (
                "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16"
            ),
            "test_2016_flickr.en": (
                "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182"
            ),
        },
        read=read_multi30k,
    ),
}
