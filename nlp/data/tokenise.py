"""Raw pairs to cleaned splits of words."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nlp.data.cleaning import CHARACTERS, WORDS, Dropped, Limits, kept
from nlp.data.lines import write_lines
from nlp.data.parallel import Lines
from nlp.data.sources import Pairs, Raw
from nlp.data.spec import SPLITS, CorpusSpec
from nlp.data.tokenisation import Tokenisation, separates_words, to_words
from workload.errors import ConfigError
from workload.progress import StageProgress
from workload.stages import create_stage


def make_text(
    spec: CorpusSpec,
    folder: Path,
    inputs: dict[str, Any],
    raw: Raw,
    lines: Lines,
    progress: StageProgress,
) -> None:
    """Make the stage `text`: `{train,valid,test}.tok.LANG`, and `.raw.LANG` of valid and test."""
    splits = dict(raw.splits)
    total, done = sum(len(side) for split in splits.values() for side in split), 0

    def step(more: int) -> None:
        nonlocal done
        done += more
        progress("tokenise", done, total)

    tokenised: dict[str, Pairs] = {}
    for split, (source, target) in splits.items():
        tokenised[split] = (
            lines.apply(words_of, source, (spec.preparation.tokenisation, spec.pair[0]), step),
            lines.apply(words_of, target, (spec.preparation.tokenisation, spec.pair[1]), step),
        )
    dropped = Dropped()
    training = kept(*tokenised["train"], dropped, _limits(spec, raw))
    chosen: dict[str, Sequence[int]] = {s: range(len(sides[0])) for s, sides in splits.items()}
    chosen["train"] = training
    if raw.valid_every:
        every = raw.valid_every
        chosen["valid"] = training[every - 1 :: every]
        chosen["train"] = [p for n, p in enumerate(training, start=1) if n % every]
        splits["valid"], tokenised["valid"] = splits["train"], tokenised["train"]
    _check_splits(spec, splits, tokenised, chosen)
    with create_stage(folder, inputs) as (new, report):
        for split in SPLITS:
            kinds = {"tok": tokenised[split]} | ({} if split == "train" else {"raw": splits[split]})
            for kind, sides in kinds.items():
                for language, side in zip(spec.pair, sides, strict=True):
                    path = new / f"{split}.{kind}.{language}"
                    write_lines(path, (side[index] for index in chosen[split]))
        report["read"] = {split: len(sides[0]) for split, sides in raw.splits.items()} | raw.report
        report["dropped"] = dropped.counts
        if spec.folder is not None:
            report["folder"] = os.path.abspath(spec.folder)
        report["first dropped lines"] = dropped.lines


def _check_splits(
    spec: CorpusSpec,
    splits: dict[str, Pairs],
    tokenised: dict[str, Pairs],
    chosen: dict[str, Sequence[int]],
) -> None:
    """Nothing may be left out of valid and test: a BLEU without some lines is another figure."""
    for split in SPLITS:
        if not chosen[split]:
            why = "every pair was dropped" if len(splits[split][0]) else "it has no lines"
            raise ConfigError(f"{spec.name}: the {split} set is empty: {why}")
    for split in ("valid", "test"):
        for language, side in zip(spec.pair, tokenised[split], strict=True):
            for index in chosen[split]:
                if not side[index]:
                    file = f"{spec.folder / split}.{language}" if spec.folder else split
                    raise ConfigError(
                        f"{file} line {index + 1} ({language}) is empty; remove the pair in both "
                        "languages, or fill it"
                    )


def _limits(spec: CorpusSpec, raw: Raw) -> Limits:
    usual = WORDS if separates_words(spec.preparation.tokenisation) else CHARACTERS
    return replace(
        usual,
        ratio=spec.preparation.ratio or raw.ratio or usual.ratio,
        longest=spec.preparation.longest or usual.longest,
    )


def words_of(lines: Sequence[str], way: tuple[Tokenisation, str]) -> list[str]:
    """Work of one process: lines to words, by a tokenisation and a language."""
    tokenisation, language = way
    return [to_words(tokenisation, line, language) for line in lines]
