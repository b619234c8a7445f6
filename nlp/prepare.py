"""From a publisher's files, or anyone's parallel text, to what training opens.

    files -> raw pairs -> tokens, lower-cased and cleaned -> BPE codes -> subwords -> fairseq's bin

Each arrow ends in a stage (`nlp/stages.py`): finished ones are not done again.

    data/NAME/original/        the publisher's files, plain
    data/NAME/text/            {train,valid,test}.{raw,tok}.LANG
    data/NAME/codes-N/codes    N merge operations, learned on both languages of the training text
    data/NAME/bpe-N[-joined]/  the corpus (`nlp/corpus.py`)
"""

import hashlib
import importlib.util
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlp import binarise, sources
from nlp.bpe import learn
from nlp.cleaning import Dropped, kept
from nlp.config import ConfigError
from nlp.corpus import FORMAT, KNOWN, Corpus, corpus_folder
from nlp.original import original
from nlp.parallel import Lines, cores, workers
from nlp.sources import PUBLISHED, Pairs, Raw
from nlp.stages import (
    alone,
    finished,
    making,
    read_lines,
    sha256,
    sha256_of_files,
    write_json,
    write_lines,
)
from nlp.text import Segmenter, check_language, lower_case, tokenise
from nlp.verification import differences

Progress = Callable[[str, int, int], None]

SPLITS = ("train", "valid", "test")
LONGEST = 1022  # subwords: the model has 1,024 positions


@dataclass(frozen=True)
class Order:
    """What is to be prepared, checked."""

    name: str
    folder: Path | None  # of the user's own text
    source: str
    target: str
    bpe: int
    joined: bool

    @property
    def pair(self) -> tuple[str, str]:
        return self.source, self.target


def prepare(
    name_or_path: str,
    data_dir: Path,
    *,
    bpe: int,
    joined: bool,
    archive: Path | None = None,
    source: str = "de",
    target: str = "en",
    jobs: int | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
) -> Corpus:
    """Prepare a corpus and return it; at once where it is prepared already.

    Args:
        name_or_path: `iwslt14`, `multi30k`, `grammar`, or a folder with train, valid and test, each
            in two languages (`train.de`).
        data_dir: where corpora are kept.
        bpe: merge operations.
        joined: whether both languages share one dictionary.
        archive: a published corpus's archive, or a folder with its files, instead of a download.
        source, target: languages.
        jobs: processes; None takes one per core.
        progress: told the stage, how much is done, and of how much.

    Raises:
        ConfigError: one sentence on what is wrong with the input. Nothing half-made stays.
    """
    order = _order(name_or_path, archive, source, target, bpe, joined)
    folder = corpus_folder(data_dir, order.name, bpe, joined)
    with alone(folder.parent), workers(jobs or cores()) as lines:
        text = _text(order, folder.parent, archive, lines, progress)
        codes = _codes(order, folder.parent, text, progress)
        _corpus(order, folder, text, codes, lines, progress)
    return Corpus.open(folder)


def _order(
    name: str, archive: Path | None, source: str, target: str, bpe: int, joined: bool
) -> Order:
    if importlib.util.find_spec("fairseq") is None:
        raise ConfigError("preparation needs fairseq: install the extra with `make demo`")
    if bpe < 1:
        raise ConfigError(f"bpe: {bpe} is not a number of merge operations, 1 or more")
    if name in KNOWN:
        if (source, target) != ("de", "en"):
            raise ConfigError(f"{name} translates from de into en, not {source} into {target}")
        if archive is not None and name not in PUBLISHED:
            raise ConfigError(f"archive: {name} is made here and takes none")
        return Order(name, None, source, target, bpe, joined)
    folder = Path(name)
    if not folder.is_dir():
        raise ConfigError(f"{name!r} is none of {', '.join(KNOWN)} and no folder of parallel text")
    if archive is not None:
        raise ConfigError(f"archive: goes with {' or '.join(PUBLISHED)}, not with a folder")
    own = folder.resolve().name
    if own in KNOWN or not own:
        raise ConfigError(f"{name}: {own!r} cannot name your own text; rename the folder")
    for language in (source, target):
        check_language(language)
    if source == target:
        raise ConfigError(f"source and target are both {source!r}; they must differ")
    return Order(own, folder, source, target, bpe, joined)


def _text(order: Order, root: Path, archive: Path | None, lines: Lines, progress: Progress) -> Path:
    """Tokenised, lower-cased, cleaned splits, and the raw lines of valid and test beside them."""
    folder = root / "text"
    languages = {"languages": [order.source, order.target]}
    if order.name in PUBLISHED:
        if archive is None and finished(folder) is not None:
            return folder
        files = original(order.name, root, archive, progress)
        published = PUBLISHED[order.name]
        inputs = languages | sha256_of_files(files / file for file in published.files)
        if finished(folder, inputs) is None:
            _make_text(order, folder, inputs, published.read(files), lines, progress)
        return folder
    if order.folder is None:
        raw = sources.grammar()
        content = "\n".join(line for split in raw.splits.values() for line in split[0] + split[1])
        inputs = languages | {"grammar": hashlib.sha256(content.encode()).hexdigest()}
    else:
        inputs = languages | sha256_of_files(sources.own_files(order.folder, *order.pair))
    if finished(folder, inputs) is None:
        if order.folder is not None:
            raw = sources.read_own(order.folder, *order.pair)
        _make_text(order, folder, inputs, raw, lines, progress)
    return folder


def _make_text(
    order: Order, folder: Path, inputs: dict[str, Any], raw: Raw, lines: Lines, progress: Progress
) -> None:
    splits = dict(raw.splits)
    total, done = sum(len(side) for split in splits.values() for side in split), 0

    def step(more: int) -> None:
        nonlocal done
        done += more
        progress("tokenise", done, total)

    tokenised: dict[str, Pairs] = {}
    for split, (source, target) in splits.items():
        tokenised[split] = (
            lines.apply(tokenise_lower, source, order.source, step),
            lines.apply(tokenise_lower, target, order.target, step),
        )
    dropped = Dropped()
    training = kept(*tokenised["train"], dropped, raw.ratio)
    chosen: dict[str, Sequence[int]] = {s: range(len(sides[0])) for s, sides in splits.items()}
    chosen["train"] = training
    if raw.valid_every:
        every = raw.valid_every
        chosen["valid"] = training[every - 1 :: every]
        chosen["train"] = [p for n, p in enumerate(training, start=1) if n % every]
        splits["valid"], tokenised["valid"] = splits["train"], tokenised["train"]
    _check_splits(order, splits, tokenised, chosen)
    with making(folder, inputs) as (new, report):
        for split in SPLITS:
            kinds = {"tok": tokenised[split]} | ({} if split == "train" else {"raw": splits[split]})
            for kind, sides in kinds.items():
                for language, side in zip(order.pair, sides, strict=True):
                    path = new / f"{split}.{kind}.{language}"
                    write_lines(path, (side[place] for place in chosen[split]))
        report["read"] = {split: len(sides[0]) for split, sides in raw.splits.items()} | raw.report
        report["dropped"] = dropped.counts
        report["first dropped lines"] = dropped.lines


def _check_splits(
    order: Order,
    splits: dict[str, Pairs],
    tokenised: dict[str, Pairs],
    chosen: dict[str, Sequence[int]],
) -> None:
    """Nothing may be left out of valid and test: a BLEU without some lines is another figure."""
    for split in SPLITS:
        if not chosen[split]:
            why = "every pair was dropped" if len(splits[split][0]) else "it has no lines"
            raise ConfigError(f"{order.name}: the {split} set is empty: {why}")
    for split in ("valid", "test"):
        for language, side in zip(order.pair, tokenised[split], strict=True):
            for place in chosen[split]:
                if not side[place]:
                    file = f"{order.folder / split}.{language}" if order.folder else split
                    raise ConfigError(
                        f"{file} line {place + 1} ({language}) is empty; remove the pair in both "
                        "languages, or fill it"
                    )


def _codes(order: Order, root: Path, text: Path, progress: Progress) -> Path:
    folder = root / f"codes-{order.bpe}"
    files = [text / f"train.tok.{language}" for language in order.pair]
    inputs = sha256_of_files(files) | {"bpe": order.bpe}
    if finished(folder, inputs) is None:
        with making(folder, inputs) as (new, report):
            report["learned"] = learn(files, order.bpe, new / "codes", progress)
    return folder


def _corpus(
    order: Order, folder: Path, text: Path, codes: Path, lines: Lines, progress: Progress
) -> None:
    before = finished(text)
    assert before is not None
    inputs = {
        "text": before["outputs"],
        "codes": sha256(codes / "codes"),
        "joined": order.joined,
    }
    if finished(folder, inputs) is not None:
        return
    with making(folder, inputs) as (new, report):
        report |= before["report"]
        shutil.copyfile(codes / "codes", new / "codes")
        for path in (p for p in text.iterdir() if p.name.split(".")[0] in ("valid", "test")):
            shutil.copyfile(path, new / path.name)
        subwords = _segmented(order, text, new, lines, progress)
        _drop_long(order, subwords, report)
        for split, sides in subwords.items():
            for language, side in zip(order.pair, sides, strict=True):
                write_lines(new / f"{split}.bpe.{language}", side)
        content = _binarised(order, new, subwords, report, progress)
        content["sha256"] = sha256_of_files(
            new / file for file in ("codes", *(f"dict.{language}.txt" for language in order.pair))
        )
        different = differences(content)
        if different is not None:
            report["differs from the published preparation"] = different
        write_json(new / "report.json", report)
        write_json(new / "corpus.json", content)


def _segmented(
    order: Order, text: Path, new: Path, lines: Lines, progress: Progress
) -> dict[str, list[list[str]]]:
    tokenised = {
        split: [read_lines(text / f"{split}.tok.{language}") for language in order.pair]
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


def _drop_long(order: Order, subwords: dict[str, list[list[str]]], report: dict[str, Any]) -> None:
    """Leave training pairs out that have more subwords than the model has positions."""
    for split, sides in subwords.items():
        long = {p for side in sides for p, line in enumerate(side) if line.count(" ") >= LONGEST}
        if long and split != "train":
            raise ConfigError(
                f"{order.name}: line {min(long) + 1} of the {split} set has over {LONGEST:,} "
                "subwords, more than the model has positions; shorten or remove the pair"
            )
        if long:
            report["dropped"][f"over {LONGEST} subwords"] = len(long)
            for side in sides:
                side[:] = [line for place, line in enumerate(side) if place not in long]


def _binarised(
    order: Order,
    new: Path,
    subwords: dict[str, list[list[str]]],
    report: dict[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """Dictionaries and binary files; returns corpus.json but for its checksums."""
    train = subwords["train"]
    if order.joined:
        types = [binarise.dictionary(train[0] + train[1])] * 2
    else:
        types = [binarise.dictionary(side) for side in train]
    for language, each in zip(order.pair, types, strict=True):
        binarise.write_dictionary(new / f"dict.{language}.txt", each)
    splits: dict[str, dict[str, int]] = {}
    for place, (split, sides) in enumerate(subwords.items(), start=1):
        splits[split] = {"pairs": len(sides[0])}
        for side, language, each, text in zip(
            ("source", "target"), order.pair, types, sides, strict=True
        ):
            prefix = new / f"{split}.{order.source}-{order.target}.{language}"
            tokens, unknown = binarise.write_binary(prefix, text, each)
            splits[split] |= {f"{side}_tokens": tokens, f"{side}_unknown": unknown}
        progress("binarise", place, len(subwords))
    report["splits"] = splits
    return {
        "format": FORMAT,
        "name": order.name,
        "source": order.source,
        "target": order.target,
        "bpe": order.bpe,
        "joined": order.joined,
        "splits": splits,
        "dictionaries": {
            language: len(each) + len(binarise.SPECIAL)
            for language, each in zip(order.pair, types, strict=True)
        },
    }


def tokenise_lower(lines: Sequence[str], language: str) -> list[str]:
    """Work of one process: lines to lower-cased tokens."""
    return [lower_case(tokenise(line, language)) for line in lines]


_segmenters: dict[str, Segmenter] = {}  # per process: codes take .1 s to read


def segment(lines: Sequence[str], codes: str) -> list[str]:
    """Work of one process: tokens to subwords."""
    if codes not in _segmenters:
        _segmenters[codes] = Segmenter(Path(codes))
    return [_segmenters[codes].segment(line) for line in lines]
