"""The characters of a text: of a file, of a folder of files, or of the embedded grammar."""

import gzip
import lzma
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lm.data.spec import EMBEDDED, PACKED
from workload.errors import ConfigError
from workload.stages import sha256

SENTENCES = 30_000
BLOCKS, VALIDATION_EVERY = 200, 20
"""A text is cut into so many blocks of equal length, of which each so many-th is for validation."""

_UNPACK: Mapping[str, Callable[[bytes], bytes]] = {".xz": lzma.decompress, ".gz": gzip.decompress}


def text_files(path: Path) -> list[Path]:
    """The files of a text, in order: the file itself, or all *.txt, *.txt.xz and *.txt.gz below.

    Raises:
        ConfigError: there is none.
    """
    if path.is_file():
        return [path]
    found = [file for end in PACKED for file in path.rglob(f"*.txt{end}") if file.is_file()]
    if not found:
        raise ConfigError(f"{path} is no file, and no folder with *.txt, *.txt.xz or *.txt.gz")
    return sorted(found)


def source_of(data: str) -> tuple[dict[str, Any], Callable[[], str]]:
    """What a text is made of, to tell whether it has changed, and what reads it.

    Raises:
        ConfigError: there is no such text.
    """
    if data == EMBEDDED:
        return {"grammar": SENTENCES}, grammar_text
    files = text_files(Path(data))
    root = Path(data) if Path(data).is_dir() else Path(data).parent
    content = {str(file.relative_to(root)): sha256(file) for file in files}
    return {"files": content}, lambda: "\n".join(map(read_text, files))


def read_text(path: Path) -> str:
    """A file's characters, unpacked where its name says so; a mark of byte order at the beginning
    is none of them.

    Raises:
        ConfigError: it is not UTF-8, or cannot be unpacked.
    """
    try:
        return _UNPACK.get(path.suffix, bytes)(path.read_bytes()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start:,} is no UTF-8; convert it first") from error
    except (lzma.LZMAError, EOFError, OSError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def grammar_text() -> str:
    """English sentences of the embedded grammar, a line each, all of different pairs."""
    from workload.grammar import pairs

    return "".join(f"{english}\n" for _, english in pairs(SENTENCES))


def split(text: str) -> tuple[list[str], list[str]]:
    """The blocks to train on, and those for validation, spread over the whole text.

    A text's last part alone would be of another book or author than what is trained on.
    """
    ends = [place * len(text) // BLOCKS for place in range(BLOCKS + 1)]
    blocks = [text[ends[n] : ends[n + 1]] for n in range(BLOCKS)]
    chosen = {n for n in range(BLOCKS) if n % VALIDATION_EVERY == VALIDATION_EVERY // 2}
    train = [block for n, block in enumerate(blocks) if n not in chosen]
    return train, [block for n, block in enumerate(blocks) if n in chosen]
