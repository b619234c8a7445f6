"""`wdbench prepare CORPUS`: download or take parallel text, and make what training opens."""

import json
import signal
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nlp.data.corpus import Corpus
from nlp.packages import require_packages
from workload.errors import UserError
from workload.output import aligned, say, stage_line

DEFAULTS = {"iwslt14": (10_000, False), "multi30k": (5_000, True), "grammar": (1_000, True)}
OWN = (10_000, False)  # merge operations and joined, of anyone's text


def main(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    parser.add_argument(
        "corpus",
        metavar="CORPUS",
        help="iwslt14, multi30k, grammar, or a folder with train, valid and test (train.de ...)",
    )
    parser.add_argument(
        "--archive", type=Path, metavar="FILE", help="the archive, or its folder: no download"
    )
    parser.add_argument("--bpe", type=int, metavar="N", help="merge operations")
    parser.add_argument("--joined", action="store_true", help="one dictionary for both languages")
    parser.add_argument("--source", default="de", metavar="LANG", help="translated from")
    parser.add_argument("--target", default="en", metavar="LANG", help="translated into")
    for flag in ("--data_dir", "--data-dir"):
        parser.add_argument(
            flag, type=Path, default=Path("data"), metavar="DIR", help="where corpora are kept"
        )
    parser.add_argument("--jobs", type=int, metavar="N", help="processes; one per core")
    values = parser.parse_args(arguments)
    if values.jobs is not None and values.jobs < 1:
        raise UserError(f"jobs: {values.jobs} is not a number of processes, 1 or more")
    require_packages()
    bpe, joined = DEFAULTS.get(values.corpus, OWN)
    from nlp.data.prepare import prepare

    with _tidy_on_sigterm(), stage_line(plain=True) as show:
        corpus = prepare(
            values.corpus,
            values.data_dir,
            bpe=bpe if values.bpe is None else values.bpe,
            joined=joined or values.joined,
            archive=values.archive,
            source=values.source,
            target=values.target,
            jobs=values.jobs,
            progress=show,
        )
    say(corpus_summary(corpus))
    return 0


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
    dropped = report["dropped"]
    for reason, count in dropped.items():
        first = report["first dropped lines"].get(reason, [])
        more = ", ..." if count > len(first) else ""
        where = f" (line {', '.join(map(str, first))}{more})" if first else ""
        lines.append(f"dropped from train: {count:,} {reason}{where}")
    if not dropped:
        lines.append("dropped from train: nothing")
    if report["merge operations"] < corpus.bpe:
        lines.append(
            f"{report['merge operations']:,} merge operations: no pair of symbols is left that "
            "occurs twice"
        )
    different = report.get("differs from the published preparation")
    if different:
        lines.append("differs from the published preparation: " + "; ".join(different))
    elif different is not None:
        lines.append("equal to the published preparation, by counts and sha256")
    lines.append(f"ready in {corpus.folder}")
    return "\n".join(lines)


@contextmanager
def _tidy_on_sigterm() -> Iterator[None]:
    """End by an exception, as with ^C, so that what is half-made goes."""

    def end(*_signal: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
