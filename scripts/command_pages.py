"""Write the options of every command into its page in docs/commands, from the parsers themselves.

A page says where: between `<!-- options: run rl -->` and `<!-- end of options -->` stands what this
script writes, and nothing else of the page is touched.

    python -m scripts.command_pages            # make docs calls it
"""

import re
from argparse import Action, ArgumentParser, _HelpAction, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from suite.commands.parsers import parser_for
from suite.config.flags import key_types
from suite.config.help_text import default_text, type_text
from suite.registry import load

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "commands"
REGION = re.compile(r"(<!-- options: ([\w -]+) -->\n).*?(<!-- end of options -->)", re.S)


def options(target: str) -> str:
    """The options of a target as Markdown."""
    words = target.split()
    types = key_types(load(words[1])) if words[0] == "run" else {}
    return "\n".join(_sections(parser_for(target), types))


def _sections(parser: ArgumentParser, types: dict[str, Any]) -> Iterator[str]:
    inner = [each for each in parser._actions if isinstance(each, _SubParsersAction)]
    for group in parser._action_groups:
        seen: set[str] = set()
        rows = []
        for action in group._group_actions:
            if isinstance(action, _HelpAction | _SubParsersAction) or action.dest in seen:
                continue
            seen.add(action.dest)
            cells = (_name(action), _takes(action, types.get(action.dest)), _default(action))
            text = (action.help or "") % {"default": action.default, "prog": parser.prog}
            rows.append("| " + " | ".join(map(_cell, (*cells, text))) + " |")
        if rows:
            title = {"options": "Options", "positional arguments": "Arguments"}
            yield f"\n**{title.get(group.title or '', group.title)}**\n"
            yield "| | takes | default | |\n|---|---|---|---|"
            yield from rows
    for action in inner:
        for name, own in action.choices.items():
            yield f"\n## {name}"
            yield from _sections(own, {})


def _name(action: Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    flags = {flag.replace("_", "-") for flag in action.option_strings}
    return ", ".join(f"`{flag}`" for flag in sorted(flags, key=len, reverse=True))


def _takes(action: Action, hint: Any) -> str:
    if action.nargs == 0:
        return "nothing"
    several = " each" if action.nargs in ("*", "+") else ""
    hint = hint or action.type
    if get_origin(hint) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(hint))
    if action.choices:
        return ", ".join(f"`{value}`" for value in action.choices)
    return type_text(hint) + several


def _default(action: Action) -> str:
    text = "" if action.nargs == 0 else default_text(action.default)
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def updated(page: str) -> str:
    """A page with what stands between its marks written anew."""
    return REGION.sub(lambda mark: f"{mark[1]}{options(mark[2])}\n\n{mark[3]}", page)


if __name__ == "__main__":
    for path in sorted(PAGES.glob("*.md")):
        before = path.read_text(encoding="utf-8")
        after = updated(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: options written")
