"""argparse whose mistakes are UserErrors, like all others."""

import argparse
from pathlib import Path
from typing import Any, NoReturn

from workload.errors import UserError


class Parser(argparse.ArgumentParser):
    """Takes options before, between and after positional arguments."""

    def __init__(self, prog: str, description: str = "", **kwargs: Any) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False, **kwargs)
        self._intermixed = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """argparse's own gives an optional positional away at the first option it meets."""
        apart = any(action.nargs == argparse.PARSER for action in self._actions)
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
