"""Lines of text files, as corpora have them."""

from collections.abc import Iterable
from pathlib import Path

from workload.errors import ConfigError


def write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def read_lines(path: Path) -> list[str]:
    """Lines of a file, split at \\n only: Unicode knows more line ends than corpora do.

    Raises:
        ConfigError: with file and line, where the bytes are not UTF-8.
    """
    content = path.read_bytes().removesuffix(b"\n")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path} line {number} is not UTF-8 (byte 0x{content[error.start]:02x}); "
            "convert the file, e.g. with iconv, or remove the pair"
        ) from error
    lines = text.removeprefix("\ufeff").split("\n") if content else []
    return [line.removesuffix("\r") for line in lines]
