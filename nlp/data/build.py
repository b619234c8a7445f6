"""Tokenised splits and merge operations to what training opens."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nlp.data import binarise
from nlp.data.corpus import FORMAT, RECORD
from nlp.data.lines import read_lines, write_lines
from nlp.data.parallel import Lines
from nlp.data.spec import SPLITS, CorpusSpec
from nlp.data.text import Segmenter
from nlp.data.verification import differences
from workload.errors import ConfigError
from workload.progress import StageProgress
from workload.stages import create_stage, load_stage, sha256, sha256_of_files, write_record

LONGEST = 1022  # subwords: the model has 1,024 positions


def make_corpus(
    spec: CorpusSpec, folder: Path, text: Path, codes: Path, lines: Lines, progress: StageProgress
) -> None:
    """Make the stage that is the corpus itself, from the stages `text` and `codes-N`."""
    before = load_stage(text)
    assert before is not None
    inputs = {
        "text": before["outputs"],
        "codes": sha256(codes / "codes"),
        "joined": spec.preparation.joined,
    }
    if load_stage(folder, inputs) is not None:
        return
    with create_stage(folder, inputs) as (new, report):
        report |= before["report"]
        shutil.copyfile(codes / "codes", new / "codes")
        report["merge operations"] = len(read_lines(codes / "codes")) - 1
        for path in (p for p in text.iterdir() if p.name.split(".")[0] in ("valid", "test")):
            shutil.copyfile(path, new / path.name)
        subwords = _segmented(spec, text, new, lines, progress)
        _drop_long(spec, subwords, report)
        for split, sides in subwords.items():
            for language, side in zip(spec.pair, sides, strict=True):
                write_lines(new / f"{split}.bpe.{language}", side)
        content = _binarised(spec, new, subwords, report, progress)
        content["sha256"] = sha256_of_files(
            new / file for file in ("codes", *(f"dict.{language}.txt" for language in spec.pair))
        )
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

    return {
        split: [lines.apply(segment, side, str(new / "codes"), step) for side in sides]
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


def _binarised(
    spec: CorpusSpec,
    new: Path,
    subwords: dict[str, list[list[str]]],
    report: dict[str, Any],
    progress: StageProgress,
) -> dict[str, Any]:
    """Dictionaries and binary files; returns corpus.json but for its checksums."""
    train = subwords["train"]
    if spec.preparation.joined:
        types = [binarise.dictionary(train[0] + train[1])] * 2
    else:
        types = [binarise.dictionary(side) for side in train]
    for language, each in zip(spec.pair, types, strict=True):
        binarise.write_dictionary(new / f"dict.{language}.txt", each)
    splits: dict[str, dict[str, int]] = {}
    trained = set(zip(*train, strict=True))
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


_segmenters: dict[str, Segmenter] = {}  # per process: codes take .1 s to read


def segment(lines: Sequence[str], codes: str) -> list[str]:
    """Work of one process: tokens to subwords."""
    if codes not in _segmenters:
        _segmenters[codes] = Segmenter(Path(codes))
    return [_segmenters[codes].segment(line) for line in lines]
