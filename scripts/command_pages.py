"""Write the options of every command into its page in docs/commands, from the parsers themselves.

A page says where: between `<!-- options: run rl -->` and `<!-- end of options -->` stands what this
script writes, and nothing else of the page is touched.

    python -m scripts.command_pages            # make docs calls it
"""

import re
from argparse import Action, ArgumentParser, Namespace, _HelpAction, _SubParsersAction
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from unittest.mock import patch

from suite.__main__ import COMMANDS
from suite.commands.arguments import Parser
from suite.config.flags import key_types, make_parser
from suite.config.reader import ALLOWED
from suite.registry import load, names

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "commands"
REGION = re.compile(r"(<!-- options: ([\w -]+) -->\n).*?(<!-- end of options -->)", re.S)


class Found(Exception):
    """A command's parser, complete."""

    def __init__(self, parser: ArgumentParser) -> None:
        self.parser = parser


def targets() -> list[str]:
    """What has options: every command, with its workload where several have one of that name."""
    own = [(name, command.name) for name in names() for command in load(name).COMMANDS]
    several = {command for _, command in own if sum(c == command for _, c in own) > 1}
    return [
        *(f"run {name}" for name in names()),
        *(command for command in COMMANDS if command != "run"),
        *(f"{command} {name}" if command in several else command for name, command in own),
    ]


def parser_of(target: str) -> ArgumentParser:
    """The parser that a command line of this target meets."""
    command, _, workload = target.partition(" ")
    prog = f"wdbench {target}"
    if command == "run":
        return make_parser(load(workload), prog)
    try:
        with patch.object(Parser, "parse_args", _found):
            if command in COMMANDS:
                import_module(COMMANDS[command][0]).main([], prog)
            for name in (workload,) if workload else names():
                for own in load(name).COMMANDS:
                    if own.name == command:
                        own.main(Parser(prog, own.description), [])
    except Found as found:
        return found.parser
    raise LookupError(f"no command {target}")


def _found(parser: ArgumentParser, *_: Any) -> Namespace:
    raise Found(parser)


def options(target: str) -> str:
    """The options of a target as Markdown."""
    words = target.split()
    types = key_types(load(words[1])) if words[0] == "run" else {}
    return "\n".join(_sections(parser_of(target), types))


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
    if hint in ALLOWED:
        return ALLOWED[hint].replace("a finite", "a") + several
    return ("a path" if hint is Path else "text") + several


def _default(action: Action) -> str:
    value = action.default
    if value is None or value == "" or value == [] or action.nargs == 0:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    values = value if isinstance(value, list | tuple) else [value]
    texts = [f"{each:g}" if isinstance(each, float) else str(each) for each in values]
    return f"`{' '.join(texts)}`"


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
