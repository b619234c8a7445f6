"""`wdbench prepare CORPUS`: download or take parallel text, and make what training opens."""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from nlp.data.cleaning import CHARACTERS, WORDS
from nlp.data.corpus import KNOWN, RECORD, Corpus, corpus_name
from nlp.data.spec import Preparation, prepare_command
from nlp.data.tokenisation import TOKENISATIONS
from nlp.packages import require_packages
from workload.errors import ConfigError, UserError, full_disk_explained
from workload.output import aligned, say, stage_line
from workload.stages import tidy_on_sigterm

DEFAULTS = {
    "multi30k": Preparation(bpe=5_000, joined=True),
    "grammar": Preparation(bpe=1_000, joined=True),
}


def main(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    parser.add_argument(
        "corpus",
        metavar="CORPUS",
        help="iwslt14, multi30k, grammar, or a folder with train, valid and test (train.de ...)",
    )
    parser.add_argument(
        "--archive", type=Path, metavar="FILE", help="the archive, or its folder: no download"
    )
    parser.add_argument("--bpe", type=int, metavar="N", help="merge operations, or pieces")
    parser.add_argument(
        "--joined", action="store_true", default=None, help="one dictionary for both languages"
    )
    parser.add_argument("--source", metavar="LANG", help="translated from; default de")
    parser.add_argument("--target", metavar="LANG", help="translated into; default en")
    parser.add_argument(
        "--tokenisation",
        choices=TOKENISATIONS,
        help="moses, lower-cased, is the default; sentencepiece for text of any language as it is; "
        "none for text that is tokenised already",
    )
    parser.add_argument(
        "--subwords", choices=("bpe", "unigram"), help="how sentencepiece learns; default bpe"
    )
    parser.add_argument(
        "--ratio",
        type=float,
        metavar="X",
        help="drop training pairs one side of which is longer than X times the other; default "
        f"{WORDS.ratio:g} in tokens, {CHARACTERS.ratio:g} in characters where nothing separates "
        "words",
    )
    parser.add_argument(
        "--longest",
        type=int,
        metavar="N",
        help=f"drop longer training pairs; default {WORDS.longest} tokens, "
        f"{CHARACTERS.longest:,} characters",
    )
    parser.add_argument(
        "--vocabulary-of",
        type=Path,
        metavar="RUN",
        help="subwords and dictionaries of a run, so that `run nlp --init-from RUN` can go on from "
        "its weights",
    )
    for flag in ("--data_dir", "--data-dir"):
        parser.add_argument(
            flag, type=Path, default=Path("data"), metavar="DIR", help="where corpora are kept"
        )
    parser.add_argument("--jobs", type=int, metavar="N", help="processes; one per core")
    values = parser.parse_args(arguments)
    if values.jobs is not None and values.jobs < 1:
        raise UserError(f"jobs: {values.jobs} is not a number of processes, 1 or more")
    require_packages()
    _check_name(values.corpus)
    given = {
        field.name: value
        for field in fields(Preparation)
        if (value := getattr(values, field.name, None)) is not None
    }
    vocabulary = _vocabulary_of(values.vocabulary_of) if values.vocabulary_of else None
    if vocabulary:
        preparation = _with_vocabulary(vocabulary, values.vocabulary_of, given)
    else:
        preparation = replace(DEFAULTS.get(values.corpus, Preparation()), **given)
    from nlp.data.prepare import prepare

    with (
        full_disk_explained(values.data_dir),
        tidy_on_sigterm(),
        stage_line() as show,
    ):
        corpus = prepare(
            values.corpus,
            values.data_dir,
            preparation,
            archive=values.archive,
            vocabulary=vocabulary,
            jobs=values.jobs,
            progress=show,
        )
    say(corpus_summary(corpus))
    if vocabulary:
        begin = f"--init-from {values.vocabulary_of} --vocabulary {vocabulary.vocabulary}"
        say(f"train on it from the run's weights with {begin}")
    return 0


def _vocabulary_of(run: Path) -> Corpus:
    """The corpus, without its text, that lies beside a run's weights."""
    folder = run / "weights"
    if not (folder / RECORD).exists():
        raise UserError(
            f"vocabulary-of: {run} has no weights of a translation model with their vocabulary; "
            "they are written after the first epoch"
        )
    return Corpus.open(folder)


def _with_vocabulary(vocabulary: Corpus, run: Path, given: dict[str, Any]) -> Preparation:
    """Another text with the vocabulary of a run. ConfigError where a flag asks for what that
    vocabulary is not."""
    theirs = replace(vocabulary.preparation, ratio=0.0, longest=0, vocabulary=vocabulary.vocabulary)
    for key, value in given.items():
        if key not in ("ratio", "longest") and value != getattr(theirs, key):
            raise ConfigError(
                f"{key}: {value} is not that of {run}, {getattr(theirs, key)}; leave it out"
            )
    return replace(theirs, **given)


def _check_name(text: str) -> None:
    """Raise ConfigError for a preset's name, which `--data` would take for the preset."""
    from nlp.workload import WORKLOAD

    name = corpus_name(text)
    if name in KNOWN or name not in WORKLOAD.preset_names():
        return
    if Path(text).is_dir():
        raise ConfigError(f"{text}: {name} is the name of a preset; rename the folder")
    recipe = WORKLOAD.preset_recipe(name)
    command = prepare_command(recipe.data, Path("data"), recipe.preparation)
    raise ConfigError(f"{name} is a preset, which trains on {recipe.data}: `{command}`")


def corpus_summary(corpus: Corpus) -> str:
    """Counts per split, what was dropped and why, and whether it is the published preparation."""
    report: dict[str, Any] = json.loads((corpus.folder / "report.json").read_text("utf-8"))
    pair, sides = (corpus.source, corpus.target), ("source", "target")
    heads = [f"{language} {what}" for what in ("tokens", "unknown") for language in pair]
    rows = [["", "pairs", *heads]]
    for split, counts in corpus.splits.items():
        tokens = [counts[f"{side}_tokens"] for side in sides]
        unknown = [counts[f"{side}_unknown"] for side in sides]
        shares = [f"{part / whole:.5%}" for part, whole in zip(unknown, tokens, strict=True)]
        rows.append([split, f"{counts['pairs']:,}", *(f"{count:,}" for count in tokens), *shares])
    lines = aligned(rows, left=1)
    for split in ("valid", "test"):
        if same := report["splits"][split].get("in_train", 0):
            lines.append(
                f"in train as well: {same:,} of the {corpus.splits[split]['pairs']:,} {split} pairs"
            )
    dropped = report["dropped"]
    if dropped:
        total, before = sum(dropped.values()), report["read"]["train"]
        lines.append(f"dropped from train: {total:,} of {before:,} pairs ({total / before:.2%})")
    for reason, count in dropped.items():
        first = report["first dropped lines"].get(reason, [])
        more = ", ..." if count > len(first) else ""
        where = f" (line {', '.join(map(str, first))}{more})" if first else ""
        lines.append(f"  {count:,} {reason}{where}")
    if not dropped:
        lines.append("dropped from train: nothing")
    learned = report.get("merge operations", corpus.preparation.bpe)
    if learned < corpus.preparation.bpe:
        lines.append(
            f"{learned:,} pieces: the text has no more"
            if corpus.preparation.tokenisation == "sentencepiece"
            else f"{learned:,} merge operations: no pair of symbols is left that occurs twice"
        )
    different = report.get("differs from the published preparation")
    if different:
        lines.append("differs from the published preparation: " + "; ".join(different))
    elif different is not None:
        lines.append("equal to the published preparation, by counts and sha256")
    lines.append(f"ready in {corpus.folder}")
    return "\n".join(lines)
