"""`wdbench translate RUN [FILE]`: translate text, a sentence per line, with a trained model."""

import io
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from nlp.data.lines import decode_lines
from nlp.packages import require_packages
from workload import resources
from workload.errors import UserError
from workload.identity import read_config
from workload.output import say, stage_line, warn


def main(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    parser.add_argument("run", type=Path, metavar="RUN", help="run directory")
    parser.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="text in UTF-8; default standard input"
    )
    parser.add_argument("--beam", type=int, metavar="N", help="hypotheses kept; default the run's")
    parser.add_argument(
        "--averaged", action="store_true", help="the mean of the last epochs, not the best epoch"
    )
    for flag in ("--data_dir", "--data-dir"):
        parser.add_argument(
            flag, type=Path, default=Path("data"), metavar="DIR", help="where corpora are kept"
        )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    values = parser.parse_args(arguments)
    if values.beam is not None and values.beam < 1:
        raise UserError(f"--beam: {values.beam} is not a number of hypotheses, 1 or more")
    config = read_config(values.run)
    if config["workload"] != "nlp":
        raise UserError(f"{values.run} is no nlp run: there is nothing to translate with")
    require_packages()
    resources.check_device(values.device)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as the text that comes in, whatever the locale
    # Before the model is loaded, so that a mistake in the text is told at once.
    lines = read_sentences(values.file)
    translated, refused = translate(
        values.run,
        lines,
        values.data_dir,
        values.device,
        beam=values.beam,
        averaged=values.averaged,
    )
    if translated:
        say("\n".join(translated))
    return UserError.exit_code if refused else 0


def translate(
    run: Path,
    lines: list[str],
    data_dir: Path,
    device: Literal["auto", "cpu", "cuda"],
    *,
    beam: int | None = None,
    averaged: bool = False,
) -> tuple[list[str], bool]:
    """A translation for every line, and whether there is none for some line, which was then named
    on stderr. UserError where the run or its corpus will not do."""
    from nlp import plain_text, weights
    from nlp.config import Machine
    from nlp.fairseq_model import MAX_POSITIONS
    from workload.trainer import chosen_device

    try:
        on = chosen_device(Machine(device=device))
        model = weights.load_model(run, data_dir, averaged=averaged, device=on)
    except TypeError as error:
        raise UserError(f"{run} was made by another version: {error}") from error
    sources = plain_text.source_tokens(model, lines)
    refused = [number for number, tokens in enumerate(sources, 1) if len(tokens) > MAX_POSITIONS]
    for number in refused:
        warn(
            f"line {number} has {len(sources[number - 1]):,} subwords with its end mark, the model "
            f"takes {MAX_POSITIONS:,}: it is not translated; split it into sentences"
        )
    unknown = model.task.source_dictionary.unk()
    known = sum(int(tokens.ne(unknown).sum()) - 1 for tokens in sources)
    total = sum(len(tokens) - 1 for tokens in sources)
    if known < total:
        warn(
            f"{total - known:,} of {total:,} subwords are unknown to the model "
            f"({1 - known / total:.1%}): what stands for them is guessed"
        )
    with stage_line(plain=False) as show:
        translated = plain_text.translate_sources(
            model,
            sources,
            beam=beam or model.recipe.beam,
            progress=lambda done, total: show("translated", done, total),
        )
    return translated, bool(refused)


def read_sentences(file: Path | None) -> list[str]:
    """The lines of a file or of standard input. UserError where it is no text in UTF-8."""
    name = "standard input" if file is None else str(file)
    try:
        content = sys.stdin.buffer.read() if file is None else file.read_bytes()
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror}") from error
    return decode_lines(content, name)
