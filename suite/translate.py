"""`wdbench translate RUN [FILE]`: translate text, a sentence per line, with a trained model."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nlp.config import ConfigError
from suite import resources
from suite.arguments import Parser
from suite.errors import UserError
from suite.nlp import require_packages
from suite.output import say
from suite.run_directory import Run

EVERY = 0.2  # seconds between pictures of the progress


def main(argv: list[str], prog: str) -> int:
    parser = Parser(prog, "Translate text, a sentence per line, with the model of a run.")
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
    values = parser.parse_args(argv)
    if values.beam is not None and values.beam < 1:
        raise UserError(f"--beam: {values.beam} is not a number of hypotheses, 1 or more")
    run = Run.at(values.run)
    if run.config["workload"] != "nlp":
        raise UserError(f"{run.path} is no nlp run: there is nothing to translate with")
    require_packages()
    if values.device == "cuda" and resources.cuda_memory() is None:
        raise UserError("device cuda: torch finds no usable GPU here; allowed are auto and cpu")
    # Before the model is loaded, so that a mistake in the text is told at once.
    lines = read_lines(values.file)
    translated = translate(
        run, lines, values.data_dir, values.device, beam=values.beam, averaged=values.averaged
    )
    if translated:
        say("\n".join(translated))
    return 0


def translate(
    run: Run,
    lines: list[str],
    data_dir: Path,
    device: str,
    *,
    beam: int | None = None,
    averaged: bool = False,
) -> list[str]:
    """A translation for every line. UserError where the run, its corpus or a line will not do."""
    from nlp import plain_text, trained
    from nlp.config import Machine
    from nlp.training import chosen_device

    try:
        on = chosen_device(Machine(device=device))  # type: ignore[arg-type]
        model = trained.load(run.path, data_dir, averaged=averaged, device=on)
        with _display() as progress:
            return plain_text.translate_lines(
                model, lines, beam=beam or model.recipe.beam, progress=progress
            )
    except ConfigError as error:
        raise UserError(str(error)) from error
    except TypeError as error:
        raise UserError(f"{run.path} was made by another version: {error}") from error


def read_lines(file: Path | None) -> list[str]:
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


@contextmanager
def _display() -> Iterator[Callable[[int, int], None]]:
    """On a terminal, a line on stderr that is drawn over."""
    due = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal due
        if sys.stderr.isatty() and time.monotonic() >= due:
            due = time.monotonic() + EVERY
            print(f"\r\x1b[Ktranslated {done:,} of {total:,}", end="", file=sys.stderr, flush=True)

    try:
        yield progress
    finally:
        if due:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
