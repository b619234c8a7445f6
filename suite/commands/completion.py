"""`wdbench completion bash|zsh`: a script that completes commands, flags and choices in a shell."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args, get_origin

from suite.commands.arguments import Parser
from suite.commands.parsers import parser_for, targets
from suite.registry import names

SHELLS = ("bash", "zsh", "tcsh")
NO_TEXT = ""
"""A command with none is not offered."""
FILES = ("FILE", "RUN", "RUNS")
FOLDERS = ("DIR", "FOLDER")
WORKLOAD = "WORKLOAD"


def main(argv: list[str], prog: str) -> int:
    parser = Parser(
        prog,
        "Print a script that completes commands, flags and their choices. It knows what is "
        "installed when it is written.",
        examples=(
            "wdbench completion bash > ~/.local/share/bash-completion/completions/wdbench",
            'wdbench completion zsh > "${fpath[1]}/_wdbench"',
        ),
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell that reads it")
    options = parser.parse_args(argv)
    import shtab

    print(shtab.complete(whole_parser(), options.shell))
    return 0


def whole_parser() -> argparse.ArgumentParser:
    """One parser of all commands."""
    parser = argparse.ArgumentParser(prog="wdbench")
    commands: dict[str, list[str]] = {}
    for target in targets():
        commands.setdefault(target.partition(" ")[0], []).append(target)
    inner = parser.add_subparsers()
    for command, own in commands.items():
        if command == "run":
            workloads = inner.add_parser(command, help=NO_TEXT).add_subparsers()
            for target in own:
                _add(workloads, target.partition(" ")[2], [target])
        else:
            _add(inner, command, own)
    return parser


def _add(
    inner: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, own: Iterable[str]
) -> None:
    """A command with the arguments of all its targets."""
    parents = [parser_for(target) for target in own]
    added = inner.add_parser(
        name, help=NO_TEXT, parents=parents, add_help=False, conflict_handler="resolve"
    )
    for action in added._actions:
        _complete_values(action)


def _complete_values(action: argparse.Action) -> None:
    """Have a shell offer choices, files or folders where the argument is one, and flags as the
    pages of the site have them."""
    import shtab

    action.option_strings = [flag.replace("_", "-") for flag in action.option_strings]
    hint = getattr(action, "_typehint", None)  # of jsonargparse
    if get_origin(hint) is Literal:
        action.choices = [str(value) for value in get_args(hint)]
    if action.metavar == WORKLOAD:
        action.choices = names()
    if action.metavar in FOLDERS:
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    elif action.metavar in FILES or action.type is Path:
        action.complete = shtab.FILE  # type: ignore[attr-defined]
