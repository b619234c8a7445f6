"""Learning a sentencepiece model."""

import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nlp.data.lines import read_lines
from workload.errors import ConfigError


def learn(files: Sequence[Path], pieces: int, kind: str, model: Path) -> int:
    """Learn a model on texts together, write it, return how many pieces it has.

    Text is taken as it is: sentencepiece's own normalisation, which would make Chinese full stops
    narrow ones, is off. There are fewer pieces than asked for where the text has no more.

    Args:
        files: of lines.
        pieces: how many, control symbols among them.
        kind: `bpe` or `unigram`.
        model: file to write.

    Raises:
        ConfigError: the text has more characters than there are to be pieces, or nothing to learn.
    """
    import sentencepiece

    output = io.BytesIO()
    lines = itertools.chain.from_iterable(read_lines(file) for file in files)
    try:
        trainer: Any = sentencepiece.SentencePieceTrainer
        trainer.train(
            sentence_iterator=iter(lines),
            model_writer=output,
            vocab_size=pieces,
            model_type=kind,
            normalization_rule_name="identity",
            hard_vocab_limit=False,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        reason = str(error).rpartition("] ")[2].strip() or str(error)
        raise ConfigError(f"bpe: sentencepiece learns no {pieces:,} pieces: {reason}") from error
    model.write_bytes(output.getvalue())
    processor: Any = sentencepiece.SentencePieceProcessor(model_proto=output.getvalue())
    return int(processor.get_piece_size())
