"""The flags of `run <workload>`: names, types, defaults and help from its typed dataclasses."""

from argparse import Action
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import Any, Literal, get_type_hints

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from shared_optim.schemes import BASELINE, SCHEMES
from suite.config.help_text import (
    ExamplesFormatter,
    default_text,
    examples_text,
    metavar,
    type_text,
)
from suite.registry import AnyWorkload
from workload.errors import UserError
from workload.recipe import descriptions
from workload.wording import unknown

LISTS = ("seed", "scheme", "weight_decay")
"""Flags that take any number of values."""
SWITCHES = ("help", "print_config")
"""Flags that take none."""
ABOUT = """\
{title} Several seeds, schemes or values of lambda train {how}, each
combination in a run directory of its own. Presets, files and flags layer left to right. Dashes and
underscores in flags are the same; files use underscores."""

Options = dict[str, dict[str, Any]]


class _Formatter(ExamplesFormatter, DefaultHelpFormatter):
    """Types in words, flags as they are typed on the pages of the site."""

    def _get_help_string(self, action: Action) -> str:
        default = default_text(action.default)
        words = (
            type_text(getattr(action, "_typehint", None) or str) if action.nargs != 0 else "",
            f"default {default}" if default and action.nargs != 0 else "",
        )
        said = "; ".join(filter(None, words))
        return (action.help or "").rstrip(".") + (f" ({said})" if said else "")

    def _format_action_invocation(self, action: Action) -> str:
        flags = ", ".join(flag.replace("_", "-") for flag in action.option_strings)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{flags} {value}" if action.nargs != 0 else flags


def split_flags(
    argv: Sequence[str],
    keys: Collection[str],
    elsewhere: Mapping[str, str] = MappingProxyType({}),
    synonyms: Mapping[str, str] = MappingProxyType({}),
) -> list[tuple[str, list[str]]]:
    """The flags of a command line with their values, as they are written.

    Whatever does not begin with two dashes is a value of the flag before it: -1e-3 too.

    Args:
        argv: the command line.
        keys: the flags beside `--preset`, `--config` and the SWITCHES.
        elsewhere: how other tools' flags are called here.
        synonyms: second names of flags.

    Raises:
        UserError: an unknown flag, or one with too few or too many values.
    """
    known = [*SWITCHES, "preset", "config", *keys]
    flags: list[tuple[str, list[str]]] = []
    for token in argv:
        name, equals, value = token.removeprefix("--").partition("=")
        name = name.replace("-", "_")
        name = synonyms.get(name, name)
        if not token.startswith("--"):
            if not flags:
                raise UserError(f"{token!r} is no option; values follow an option, --NAME VALUE")
            flags[-1][1].append(token)
        elif name not in known:
            flags_known = (f"--{flag}" for flag in known)
            raise UserError(unknown("option", f"--{name}", flags_known, elsewhere))
        else:
            flags.append((name, [value] if equals else []))
    for name, values in flags:
        if name in SWITCHES and values:
            raise UserError(f"--{name} takes no value; {values[0]!r} is one")
        if name not in (*SWITCHES, *LISTS):
            if not any(values):
                raise UserError(f"--{name}: expected one argument")
            if len(values) > 1:
                raise UserError(f"--{name} takes one value; {values[1]!r} is a second")
    return flags


def key_types(workload: AnyWorkload) -> dict[str, Any]:
    """The type of every key that a file may set, in the order of `--help`."""
    groups = _groups(workload).values()
    options = {key: one for group in groups for key, one in group.items()}
    return {key: one["type"] for key, one in options.items() if "type" in one}


def make_parser(workload: AnyWorkload, prog: str) -> ArgumentParser:
    """jsonargparse's parser of all flags, for `--help`, defaults and types."""
    how = "together as one population" if workload.TRAINS_POPULATION else "one after the other"
    first = f"wdbench run {workload.NAME} {workload.EXAMPLE}".strip()
    parser = ArgumentParser(
        prog=prog,
        formatter_class=_Formatter,
        epilog=examples_text([first, f"{first} --print_config"]),
        usage="%(prog)s [--preset NAME] [--config FILE] [--FLAG VALUE ...]",
        description=ABOUT.format(title=workload.TITLE, how=how),
        exit_on_error=False,
        default_env=False,
        print_config=None,  # ours also says what memory is needed
    )
    for title, flags in _groups(workload).items():
        group = parser.add_argument_group(title)
        for key, options in flags.items():
            group.add_argument(f"--{key}", **options)
    return parser


def _groups(workload: AnyWorkload) -> dict[str, Options]:
    """The sections of `--help` with argparse's options of every flag."""
    by_key = f"; --{workload.PRESET_KEY} NAME does the same" if workload.PRESET_KEY else ""
    presets = " or ".join(workload.preset_names()) or "there is none but the defaults"
    preset = f"bottom layer: {presets}{by_key}"
    config = "YAML file of keys named like the flags; may be repeated"
    printed = "print every key as YAML for --config, with the memory needed, and exit"
    schemes = Literal[tuple(SCHEMES)]  # type: ignore[valid-type]
    scheme = {"type": schemes, "default": [BASELINE], "help": "how weights decay"}
    alone = f"; without --scheme {workload.SCHEME} is meant" if workload.SCHEME else ""
    decay = f"lambda of every scheme but none, which has none{alone}"
    machine = [field.name for field in fields(workload.Machine)]
    return {
        "Where values come from": {
            "preset": {"default": workload.PRESET, "metavar": "NAME", "help": preset},
            "config": {"metavar": "FILE", "help": config},
            "print_config": {"action": "store_true", "help": printed},
        },
        "Members: every combination is trained": {
            "scheme": scheme | {"nargs": "*"},
            "weight_decay": {
                "type": float,
                "nargs": "*",
                "default": [],
                "metavar": "LAMBDA",
                "help": decay,
            },
            "seed": {
                "type": int,
                "nargs": "*",
                "default": [0],
                "metavar": "N",
                "help": "of everything random",
            },
        },
        **{title: _typed(workload.Recipe, keys) for title, keys in _sections(workload).items()},
        "Machine: no part of what a run computes": _typed(workload.Machine, machine),
        "Runs": {
            "runs": {
                "type": str,
                "default": "runs",
                "metavar": "DIR",
                "help": "where runs are kept",
            },
        },
    }


def _sections(workload: AnyWorkload) -> dict[str, tuple[str, ...]]:
    """The workload's sections of recipe keys, and one of those that it puts into none."""
    named = {key for keys in workload.SECTIONS.values() for key in keys}
    rest = tuple(field.name for field in fields(workload.Recipe) if field.name not in named)
    return {**workload.SECTIONS, **({"What a run computes": rest} if rest else {})}


def _typed(kind: type[Any], keys: Iterable[str]) -> Options:
    """Types and defaults of a dataclass's fields, with the help of its docstring.

    Raises:
        UserError: a field has no default, or no sentence in the docstring.
    """
    hints = get_type_hints(kind)
    defaults = {field.name: field.default for field in fields(kind) if field.default is not MISSING}
    texts = descriptions(kind)
    for key in keys:
        for found, what in ((defaults, "field with a default"), (texts, "sentence under Args")):
            if key not in found:
                raise UserError(f"{kind.__module__}.{kind.__qualname__} has no {what}: {key}")
    return {
        k: {
            "type": hints[k],
            "default": defaults[k],
            "help": texts[k],
            **metavar(hints[k]),
        }
        for k in keys
    }
