"""`wdbench prepare text FILE|FOLDER`: make tokens of a text."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from lm.data.prepare import prepare
from workload.output import say, stage_line
from workload.stages import tidy_on_sigterm


def main(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    parser.add_argument("text", choices=["text"], metavar="text", help="the word itself")
    parser.add_argument(
        "source",
        metavar="FILE|FOLDER",
        help="UTF-8 text, plain or as .xz or .gz; of a folder all *.txt below it; or grammar",
    )
    parser.add_argument(
        "--tokens",
        choices=["characters", "bytes", "bpe"],
        default="characters",
        help="what a token is; bpe is byte-level and trained on the text; default %(default)s",
    )
    parser.add_argument(
        "--vocabulary", type=int, default=0, metavar="N", help="different tokens of bpe"
    )
    for flag in ("--data_dir", "--data-dir"):
        parser.add_argument(
            flag, type=Path, default=Path("data"), metavar="DIR", help="where texts are kept"
        )
    values = parser.parse_args(arguments)
    with tidy_on_sigterm(), stage_line() as show:
        prepared = prepare(
            values.source,
            values.data_dir,
            tokens=values.tokens,
            vocabulary=values.vocabulary,
            progress=show,
        )
    say(
        f"{prepared.train:,} tokens to train on and {prepared.val:,} for validation, "
        f"{prepared.vocabulary:,} different ones\nready in {prepared.folder}"
    )
    return 0
