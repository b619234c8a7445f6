"""How `--help` words what an option takes, its default, and examples. Imports nothing heavy."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_origin

ALLOWED = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}
METAVARS = {int: "N", float: "X", bool: "true|false", str: "TEXT"}
"""What stands for a value, where the option says nothing better."""
EXAMPLES = "examples:\n"


def examples_text(lines: Sequence[str]) -> str | None:
    """Command lines as they stand below the options; None where there are none."""
    return EXAMPLES + "\n".join(f"  {line}" for line in lines) if lines else None


class ExamplesFormatter(argparse.HelpFormatter):
    """Leaves the lines of examples as they are, and folds all other text."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(EXAMPLES) else super()._fill_text(text, width, indent)


def type_text(hint: Any) -> str:
    """What a value may be, in words; empty where the choices stand beside the option."""
    if get_origin(hint) is Literal:
        return ""
    if hint is Path:
        return "a path"
    return ALLOWED.get(hint, "text").replace("a finite", "a")


def default_text(value: Any) -> str:
    """A default as it would be typed; empty where there is none."""
    if value is None or value == "" or value == []:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    values = value if isinstance(value, list | tuple) else [value]
    return " ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in values)


def metavar(hint: Any) -> dict[str, str]:
    """argparse's option for what stands for a value of this type; none where its choices do."""
    return {"metavar": METAVARS[hint]} if hint in METAVARS else {}
