"""Learning merge operations, with subword-nmt."""

import contextlib
import io
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nlp.data.stages import read_lines
from workload.errors import ConfigError
from workload.progress import StageProgress


def learn(files: Sequence[Path], operations: int, codes: Path, progress: StageProgress) -> int:
    """Learn merge operations on tokenised texts together, write them, return how many there are.

    They are fewer than asked for where no pair of symbols is left that occurs twice.
    """
    from subword_nmt import learn_bpe

    stderr = sys.stderr

    def counted(steps: Iterable[int]) -> Iterator[int]:
        for step in steps:
            with contextlib.redirect_stderr(stderr):
                progress("learn BPE", step + 1, operations)
            yield step

    lines = itertools.chain.from_iterable(read_lines(file) for file in files)
    output = io.StringIO()
    own_bar, learn_bpe.tqdm = learn_bpe.tqdm, counted
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # that it stops early: reported by count
            learn_bpe.learn_bpe(lines, output, operations)
    except ValueError as error:  # the maximum of no pairs at all
        raise ConfigError("the training text has no words of two letters to learn from") from error
    finally:
        learn_bpe.tqdm = own_bar
    content = output.getvalue()
    learned = content.count("\n") - 1
    if learned == 0:
        raise ConfigError("the training text is too small: no pair of letters occurs twice")
    codes.write_text(content, encoding="utf-8", newline="\n")
    return learned
