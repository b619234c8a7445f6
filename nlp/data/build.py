"""Tokenised splits and merge operations to what training opens."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nlp.data import binarise
from nlp.data.corpus import FORMAT, RECORD, Corpus
from nlp.data.lines import read_lines, write_lines
from nlp.data.parallel import Lines
from nlp.data.spec import SPLITS, CorpusSpec
from nlp.data.tokenisation import Subwords, Tokenisation, subwords
from nlp.data.verification import differences
from workload.errors import ConfigError
from workload.progress import StageProgress
from workload.stages import create_stage, load_stage, sha256, sha256_of_files, write_record

LONGEST = 1022  # subwords: the model has 1,024 positions


def make_corpus(
    spec: CorpusSpec,
    folder: Path,
    text: Path,
    codes: Path | None,
    vocabulary: Corpus | None,
    lines: Lines,
    progress: StageProgress,
) -> None:
    """Make the stage that is the corpus itself, from the stage `text`, a file of `codes-N`, and the
    dictionaries of another corpus where its vocabulary is taken."""
    before = load_stage(text)
    assert before is not None
    inputs = {
        "text": before["outputs"],
        "codes": codes and sha256(codes),
        "joined": spec.preparation.joined,
    }
    if vocabulary:
        inputs["vocabulary"] = vocabulary.vocabulary
    if load_stage(folder, inputs) is not None:
        return
    with create_stage(folder, inputs) as (new, report):
        report |= before["report"]
        if codes:
            shutil.copyfile(codes, new / codes.name)
            if vocabulary is None:
                made = load_stage(codes.parent)
                assert made is not None
                report["merge operations"] = made["report"]["learned"]
        for path in (p for p in text.iterdir() if p.name.split(".")[0] in ("valid", "test")):
            shutil.copyfile(path, new / path.name)
        segmented = _segmented(spec, text, new, lines, progress)
        _drop_long(spec, segmented, report)
        for split, sides in segmented.items():
            for language, side in zip(spec.pair, sides, strict=True):
                write_lines(new / f"{split}.bpe.{language}", side)
        types = _dictionaries(spec, new, segmented["train"], vocabulary)
        content = _binarised(spec, new, segmented, types, report, progress)
        files = [*([codes.name] if codes else []), *(f"dict.{each}.txt" for each in spec.pair)]
        content["sha256"] = sha256_of_files(new / file for file in files)
        different = differences(content)
        if different is not None:
            report["differs from the published preparation"] = different
        write_record(new / "report.json", report)
        write_record(new / RECORD, content)


def _segmented(
    spec: CorpusSpec, text: Path, new: Path, lines: Lines, progress: StageProgress
) -> dict[str, list[list[str]]]:
    tokenised = {
        split: [read_lines(text / f"{split}.tok.{language}") for language in spec.pair]
        for split in SPLITS
    }
    total, done = sum(len(side) for sides in tokenised.values() for side in sides), 0

    def step(more: int) -> None:
        nonlocal done
        done += more
        progress("split into subwords", done, total)

    way = spec.preparation.tokenisation, str(new / spec.preparation.codes_file)
    return {
        split: [lines.apply(segment, side, way, step) for side in sides]
        for split, sides in tokenised.items()
    }


def _drop_long(
    spec: CorpusSpec, subwords: dict[str, list[list[str]]], report: dict[str, Any]
) -> None:
    """Leave training pairs out that have more subwords than the model has positions."""
    for split, sides in subwords.items():
        long = {p for side in sides for p, line in enumerate(side) if line.count(" ") >= LONGEST}
        if long and split != "train":
            raise ConfigError(
                f"{spec.name}: line {min(long) + 1} of the {split} set has over {LONGEST:,} "
                "subwords, more than the model has positions; shorten or remove the pair"
            )
        if long:
            report["dropped"][f"over {LONGEST} subwords"] = len(long)
            for side in sides:
                side[:] = [line for index, line in enumerate(side) if index not in long]


def _dictionaries(
    spec: CorpusSpec, new: Path, train: list[list[str]], vocabulary: Corpus | None
) -> list[dict[str, int]]:
    """Both dictionaries, written: those of another vocabulary, or of the training text."""
    if vocabulary:
        files = [vocabulary.dictionary(language) for language in spec.pair]
        for file in files:
            shutil.copyfile(file, new / file.name)
        return [binarise.read_dictionary(file) for file in files]
    if spec.preparation.joined:
        types = [binarise.dictionary(train[0] + train[1])] * 2
    else:
        types = [binarise.dictionary(side) for side in train]
    for language, each in zip(spec.pair, types, strict=True):
        binarise.write_dictionary(new / f"dict.{language}.txt", each)
    return types


def _binarised(
    spec: CorpusSpec,
    new: Path,
    subwords: dict[str, list[list[str]]],
    types: list[dict[str, int]],
    report: dict[str, Any],
    progress: StageProgress,
) -> dict[str, Any]:
    """Binary files; returns corpus.json but for its checksums."""
    splits: dict[str, dict[str, int]] = {}
    trained = set(zip(*subwords["train"], strict=True))
    for index, (split, sides) in enumerate(subwords.items(), start=1):
        splits[split] = {"pairs": len(sides[0])}
        if split != "train":
            splits[split]["in_train"] = sum(pair in trained for pair in zip(*sides, strict=True))
        for side, language, each, text in zip(
            ("source", "target"), spec.pair, types, sides, strict=True
        ):
            prefix = new / f"{split}.{'-'.join(spec.pair)}.{language}"
            tokens, unknown = binarise.write_binary(prefix, text, each)
            splits[split] |= {f"{side}_tokens": tokens, f"{side}_unknown": unknown}
        progress("binarise", index, len(subwords))
    report["splits"] = splits
    return {
        "format": FORMAT,
        "name": spec.name,
        **asdict(spec.preparation),
        "splits": splits,
        "dictionaries": {
            language: len(each) + len(binarise.SPECIAL)
            for language, each in zip(spec.pair, types, strict=True)
        },
    }


_segmenters: dict[tuple[Tokenisation, str], Subwords] = {}  # per process: .1 s to read


def segment(lines: Sequence[str], way: tuple[Tokenisation, str]) -> list[str]:
    """Work of one process: words to subwords, by a tokenisation and the file it has learned."""
    if way not in _segmenters:
        _segmenters[way] = subwords(way[0], Path(way[1]))
    return [_segmenters[way].segment(line) for line in lines]
