"""`wdbench translate RUN [FILE]`: translate text, a sentence per line, with a trained model."""

import io
import math
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlp.data.lines import decode_lines
from nlp.packages import require_packages
from workload import resources
from workload.errors import UserError
from workload.identity import read_config
from workload.output import say, stage_line, warn

if TYPE_CHECKING:
    from nlp.plain_text import Translation
    from nlp.weights import TrainedModel


def main(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    parser.add_argument("run", type=Path, metavar="RUN", help="run directory")
    parser.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="text in UTF-8; default standard input"
    )
    parser.add_argument(
        "--interactive", action="store_true", help="translate each line of standard input at once"
    )
    parser.add_argument("--beam", type=int, metavar="N", help="hypotheses kept; default the run's")
    parser.add_argument(
        "--n-best", type=int, default=1, metavar="N", help="lines per sentence, the best first"
    )
    parser.add_argument(
        "--scores", action="store_true", help="log2 p / length^penalty and a tab before each line"
    )
    parser.add_argument(
        "--length-penalty", type=float, default=1.0, metavar="X", help="above 1 favours long ones"
    )
    parser.add_argument(
        "--no-repeat-ngram",
        type=int,
        default=0,
        metavar="N",
        help="no N subwords come twice in a line; 2 or more",
    )
    parser.add_argument("--max-length", type=int, metavar="N", help="most subwords of a line")
    parser.add_argument(
        "--averaged", action="store_true", help="the mean of the last epochs, not the best epoch"
    )
    for flag in ("--data_dir", "--data-dir"):
        parser.add_argument(
            flag,
            type=Path,
            default=Path("data"),
            metavar="DIR",
            help="where corpora are kept; only runs of earlier versions need theirs",
        )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    values = parser.parse_args(arguments)
    _check(values)
    if read_config(values.run)["workload"] != "nlp":
        raise UserError(f"{values.run} is no nlp run: there is nothing to translate with")
    require_packages()
    resources.check_device(values.device)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as the text that comes in, whatever the locale
    # Before the model is loaded, so that a mistake in the text is told at once.
    texts = _typed_lines() if values.interactive else iter([read_sentences(values.file)])
    model = load(values)
    beam = values.beam or model.recipe.beam
    if values.n_best > beam:
        raise UserError(f"--n-best: {values.n_best} is above the beam, {beam}")
    complete, before = True, 0
    for lines in texts:
        found, whole = translate(model, lines, values, beam, before)
        complete, before = complete and whole, before + len(lines)
        for translations in found:
            for text in shown(translations, values):
                say(text)
    return 0 if complete else UserError.exit_code


def load(values: Namespace) -> "TrainedModel":
    """The model that a command line names. UserError where the run or its corpus will not do."""
    from nlp import weights
    from nlp.config import Machine
    from workload.trainer import chosen_device

    device = chosen_device(Machine(device=values.device))
    try:
        return weights.load_model(
            values.run, values.data_dir, averaged=values.averaged, device=device
        )
    except TypeError as error:
        raise UserError(f"{values.run} was made by another version: {error}") from error


def translate(
    model: "TrainedModel", lines: Sequence[str], values: Namespace, beam: int, before: int
) -> tuple[list[list["Translation"]], bool]:
    """Translations of every line, and whether there are some of every line with words.

    What is too long, and how much the model does not know, is told on stderr.

    Args:
        model: what translates.
        lines: cased, untokenised text of the source language.
        values: of the command line.
        beam: hypotheses kept.
        before: lines that came earlier.
    """
    from nlp import plain_text
    from nlp.fairseq_model import MAX_POSITIONS

    sources = plain_text.source_tokens(model, lines)
    refused = [n for n, tokens in enumerate(sources) if len(tokens) > MAX_POSITIONS]
    for number in refused:
        warn(
            f"line {before + number + 1} has {len(sources[number]):,} subwords with its end mark, "
            f"the model takes {MAX_POSITIONS:,}: it is not translated; split it into sentences"
        )
    unknown = model.task.source_dictionary.unk()
    total = sum(len(tokens) - 1 for tokens in sources)
    missing = sum(int(tokens.eq(unknown).sum()) for tokens in sources)
    if missing:
        warn(
            f"{missing:,} of {total:,} subwords are unknown to the model ({missing / total:.1%}): "
            "what stands for them is guessed"
        )
    with stage_line() as show:

        def progress(done: int, of: int) -> None:
            if done < of:  # a few sentences are translated at once
                show("translating", done, of)

        found = plain_text.translate_sources(
            model,
            sources,
            values.max_length,
            beam=beam,
            n_best=values.n_best,
            length_penalty=values.length_penalty,
            no_repeat_ngram=values.no_repeat_ngram,
            progress=progress,
        )
    return found, not refused


def shown(translations: "Sequence[Translation]", values: Namespace) -> list[str]:
    """As many lines as were asked for; empty ones where there are not so many translations."""
    lines = [
        f"{each.score:.4f}\t{each.text}" if values.scores else each.text
        for each in translations[: values.n_best]
    ]
    return lines + [""] * (values.n_best - len(lines))


def read_sentences(file: Path | None) -> list[str]:
    """The lines of a file or of standard input. UserError where it is no text in UTF-8."""
    name = "standard input" if file is None else str(file)
    try:
        content = sys.stdin.buffer.read() if file is None else file.read_bytes()
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror}") from error
    return decode_lines(content, name)


def _typed_lines() -> Iterator[list[str]]:
    """Each line of standard input as it comes."""
    for number, line in enumerate(iter(sys.stdin.buffer.readline, b""), 1):
        yield decode_lines(line, "standard input", number)


def _check(values: Any) -> None:
    if values.interactive and values.file is not None:
        raise UserError(f"--interactive reads standard input, not {values.file}; leave one out")
    for flag in ("beam", "n_best", "max_length"):
        value = getattr(values, flag)
        if value is not None and value < 1:
            raise UserError(f"--{flag.replace('_', '-')}: {value} is not 1 or more")
    if values.no_repeat_ngram < 0 or values.no_repeat_ngram == 1:
        raise UserError(f"--no-repeat-ngram: {values.no_repeat_ngram} is not 2 or more")
    if not math.isfinite(values.length_penalty):
        raise UserError(f"--length-penalty: {values.length_penalty} is no finite number")
