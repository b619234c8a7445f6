"""argparse whose mistakes are UserErrors, like all others."""

import argparse
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn

from suite.config.help_text import ExamplesFormatter, examples_text
from workload.errors import UserError

APART = (argparse.PARSER, argparse.REMAINDER)
"""Arguments that take whatever follows them."""
_asked: ContextVar[bool] = ContextVar("asked for a parser alone", default=False)


class _CompleteError(Exception):
    """A command's parser has all its arguments."""

    def __init__(self, parser: "Parser") -> None:
        self.parser = parser


class Parser(argparse.ArgumentParser):
    """Takes options before, between and after positional arguments.

    Args:
        prog: the command, as it is typed.
        description: what it does.
        examples: command lines that stand at the end of its help.
    """

    def __init__(
        self, prog: str, description: str = "", examples: Sequence[str] = (), **kwargs: Any
    ) -> None:
        kwargs = {"formatter_class": ExamplesFormatter, "epilog": examples_text(examples)} | kwargs
        super().__init__(prog=prog, description=description, allow_abbrev=False, **kwargs)
        self._intermixed = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """argparse's own gives an optional positional away at the first option it meets."""
        if _asked.get():
            raise _CompleteError(self)
        apart = any(action.nargs in APART for action in self._actions)
        if self._intermixed or apart:
            return super().parse_known_args(args, namespace)
        self._intermixed = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._intermixed = False

    def error(self, message: str) -> NoReturn:
        usage = " ".join(self.format_usage().split())
        raise UserError(f"{message}; {usage}")


def parser_of(command: Callable[[], object]) -> Parser:
    """The parser that a command makes, complete: the command is left where it would parse."""
    token = _asked.set(True)
    try:
        command()
    except _CompleteError as complete:
        return complete.parser
    finally:
        _asked.reset(token)
    raise LookupError("the command parses nothing")


def add_runs_argument(parser: argparse.ArgumentParser, *, needed: bool = True) -> None:
    parser.add_argument(
        "runs",
        nargs="+" if needed else "*",
        type=Path,
        metavar="RUNS",
        help="run directory, or one above several",
    )


def add_only_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE,...",
        help="of these runs those with one of the values, e.g. scheme=l2,decoupled seed=0",
    )


def add_runs_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="where runs are kept"
    )
