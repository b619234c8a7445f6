"""`wdbench translate RUN [FILE]`: translate text, a sentence per line, with a trained model."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from nlp.packages import require_packages
from workload import resources
from workload.errors import UserError
from workload.identity import read_config
from workload.output import say, stage_line


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
    # Before the model is loaded, so that a mistake in the text is told at once.
    lines = read_sentences(values.file)
    translated = translate(
        values.run,
        lines,
        values.data_dir,
        values.device,
        beam=values.beam,
        averaged=values.averaged,
    )
    if translated:
        say("\n".join(translated))
    return 0


def translate(
    run: Path,
    lines: list[str],
    data_dir: Path,
    device: Literal["auto", "cpu", "cuda"],
    *,
    beam: int | None = None,
    averaged: bool = False,
) -> list[str]:
    """A translation for every line. UserError where the run, its corpus or a line will not do."""
    from nlp import plain_text, weights
    from nlp.config import Machine
    from workload.trainer import chosen_device

    try:
        on = chosen_device(Machine(device=device))
        model = weights.load_model(run, data_dir, averaged=averaged, device=on)
    except TypeError as error:
        raise UserError(f"{run} was made by another version: {error}") from error
    with stage_line(plain=False) as show:
        return plain_text.translate_lines(
            model,
            lines,
            beam=beam or model.recipe.beam,
            progress=lambda done, total: show("translated", done, total),
        )


def read_sentences(file: Path | None) -> list[str]:
    """The lines of a file or of standard input, ended by \\n only. UserError unless UTF-8."""
    name = "standard input" if file is None else str(file)
    try:
        content = sys.stdin.buffer.read() if file is None else file.read_bytes()
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror}") from error
    lines = []
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n") if content else [], 1):
        try:
            lines.append(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            raise UserError(
                f"{name}: line {number} is not UTF-8 at byte {error.start + 1}; convert the text"
            ) from error
    return lines
