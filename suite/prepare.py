"""`wdbench prepare CORPUS`: download or take parallel text, and make what training opens."""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nlp.config import ConfigError
from nlp.corpus import Corpus
from suite.arguments import Parser
from suite.errors import UserError
from suite.nlp import require_packages
from suite.output import say

DEFAULTS = {"iwslt14": (10_000, False), "multi30k": (5_000, True), "grammar": (1_000, True)}
OWN = (10_000, False)  # merge operations and joined, of anyone's text
EVERY = 0.2  # seconds between pictures of the progress


def main(argv: list[str], prog: str) -> int:
    parser = Parser(prog, "Prepare parallel text for `run nlp`. What is finished is not redone.")
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
    values = parser.parse_args(argv)
    if values.jobs is not None and values.jobs < 1:
        raise UserError(f"jobs: {values.jobs} is not a number of processes, 1 or more")
    require_packages()
    bpe, joined = DEFAULTS.get(values.corpus, OWN)
    from nlp.prepare import prepare

    try:
        with _tidy_on_sigterm(), _display() as progress:
            corpus = prepare(
                values.corpus,
                values.data_dir,
                bpe=bpe if values.bpe is None else values.bpe,
                joined=joined or values.joined,
                archive=values.archive,
                source=values.source,
                target=values.target,
                jobs=values.jobs,
                progress=progress,
            )
    except ConfigError as error:
        raise UserError(str(error)) from error
    say(summary(corpus))
    return 0


def summary(corpus: Corpus) -> str:
    """Counts per split, what was dropped and why, and whether it is the published preparation."""
    report: dict[str, Any] = json.loads((corpus.folder / "report.json").read_text("utf-8"))
    heads = ["pairs"]
    heads += [
        f"{lang} {what}"
        for what in ("tokens", "unknown")
        for lang in (corpus.source, corpus.target)
    ]
    lines = [f"{'':<6}{heads[0]:>9}" + "".join(f"{head:>13}" for head in heads[1:])]
    for split, counts in corpus.splits.items():
        cells = [f"{split:<6}{counts['pairs']:>9,}"]
        cells += [f"{counts[f'{side}_tokens']:>13,}" for side in ("source", "target")]
        for side in ("source", "target"):
            share = counts[f"{side}_unknown"] / counts[f"{side}_tokens"]
            cells.append(f"{share:>13.5%}")
        lines.append("".join(cells))
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
def _display() -> Iterator[Callable[[str, int, int], None]]:
    """A line that is drawn over on a terminal, and a line per stage otherwise, on stderr."""
    terminal = sys.stderr.isatty()
    shown, due = "", 0.0

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal shown, due
        now = time.monotonic()
        if terminal and (now >= due or done >= total):
            print(f"\r\x1b[K{stage} {done:,} of {total:,}", end="", file=sys.stderr, flush=True)
            due = now + EVERY
        elif not terminal and stage != shown:
            print(f"{stage} ...", file=sys.stderr, flush=True)
        shown = stage

    try:
        yield progress
    finally:
        if terminal and shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


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
