"""Dictionaries and binarised text as fairseq-preprocess makes them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from nlp.data.lines import read_lines, write_lines

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
END = SPECIAL.index("</s>")
UNKNOWN = SPECIAL.index("<unk>")
MULTIPLE = 8  # of the number of types: padded for tensor cores


def dictionary(lines: Iterable[str]) -> dict[str, int]:
    """Types and how often they occur, most frequent first, equal ones by code point.

    Like fairseq's with threshold 0 and padding factor 8: types that never occur follow until the
    number of types, with the four special ones, is a multiple of 8.
    """
    counts = Counter(chain.from_iterable(line.split() for line in lines))
    for symbol in SPECIAL:  # in text that is tokenised already; fairseq has them by itself
        del counts[symbol]
    types = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    padding = -(len(SPECIAL) + len(types)) % MULTIPLE
    return types | {f"madeupword{number:04d}": 0 for number in range(padding)}


def write_dictionary(path: Path, types: dict[str, int]) -> None:
    write_lines(path, (f"{symbol} {count}" for symbol, count in types.items()))


def read_dictionary(path: Path) -> dict[str, int]:
    """What `write_dictionary` has written."""
    lines = (line.rpartition(" ") for line in read_lines(path))
    return {symbol: int(count) for symbol, _, count in lines}


def write_binary(prefix: Path, lines: Sequence[str], types: dict[str, int]) -> tuple[int, int]:
    """Write `prefix.bin` and `prefix.idx` and return the tokens, end marks included, and how many
    of them are unknown to the dictionary."""
    import torch

    from nlp.fairseq_model import quiet

    with quiet():
        from fairseq.data.indexed_dataset import make_builder

    number = {symbol: len(SPECIAL) + index for index, symbol in enumerate(types)}
    builder: Any = make_builder(f"{prefix}.bin", impl="mmap", vocab_size=len(SPECIAL) + len(types))
    tokens = unknown = 0
    for line in lines:
        sentence = [number.get(symbol, UNKNOWN) for symbol in line.split()]
        unknown += sentence.count(UNKNOWN)
        sentence.append(END)
        tokens += len(sentence)
        builder.add_item(torch.tensor(sentence, dtype=torch.int32))
    builder.finalize(f"{prefix}.idx")
    return tokens, unknown
