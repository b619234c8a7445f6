"""Lines of text, as corpora have them: UTF-8, ended by \\n or \\r\\n."""

from collections.abc import Iterable
from pathlib import Path

from workload.errors import ConfigError


def write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def read_lines(path: Path) -> list[str]:
    """Lines of a file. ConfigError as `decode_lines`."""
    return decode_lines(path.read_bytes(), str(path))


def decode_lines(content: bytes, name: str, first: int = 1) -> list[str]:
    """Lines of a text, split at \\n only: Unicode knows more line ends than corpora do.

    Args:
        content: all of it.
        name: of the text, in errors.
        first: number of its first line, in errors.

    Raises:
        ConfigError: with name and line, where the bytes are not UTF-8, or where lines seem to end
            in \\r alone.
    """
    if not content:
        return []
    content = content.removesuffix(b"\n")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + first
        raise ConfigError(
            f"{name} line {number} is not UTF-8 (byte 0x{content[error.start]:02x}); "
            "convert it, e.g. with iconv"
        ) from error
    if "\n" not in text and "\r" in text.rstrip("\r"):
        raise ConfigError(
            f"{name}: its lines end in carriage returns, not in line feeds; convert it, e.g. with "
            "`tr '\\r' '\\n'`"
        )
    lines = text.removeprefix("\ufeff").split("\n")
    return [line.removesuffix("\r") for line in lines]
