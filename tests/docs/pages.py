"""What the pages of the site hold: fenced blocks, command lines, links."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = sorted(path for path in DOCS.rglob("*.md"))
OURS = ("wdbench", "lightning")


class Block(NamedTuple):
    """A fenced block: its page, the language, its title, its text."""

    page: Path
    language: str
    title: str
    text: str


def blocks(page: Path, language: str) -> list[Block]:
    found = re.findall(
        r"^( *)```(\w+)(?: title=\"([^\"\n]*)\")?\n(.*?)^ *```$", page.read_text(), re.M | re.S
    )
    return [
        Block(page, name, title, re.sub(f"^{indent}", "", text, flags=re.M))
        for indent, name, title, text in found
        if name == language
    ]


def code(page: Path) -> str:
    """All code of a page, fenced or indented, with continued lines joined."""
    text = page.read_text()
    fenced = "\n".join(block.text for block in blocks(page, "sh"))
    rest = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)
    indented = "\n".join(re.findall(r"^    +(\S.*)$", rest, re.M))
    return re.sub(r"\\\n\s*", "", f"{fenced}\n{indented}\n")


def commands(page: Path) -> list[list[str]]:
    """The suite's command lines on a page: up to a comment, a pipe, or columns of prose."""
    lines = [re.split(r"\s{3,}|[|>;&]", line)[0].strip() for line in code(page).splitlines()]
    words = [shlex.split(line, comments=True) for line in lines if line.startswith(OURS)]
    return [each for each in words if len(each) > 1]
