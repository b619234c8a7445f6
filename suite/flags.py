"""The flags of `run <workload>`, made from its typed dataclasses by jsonargparse."""

import re
from argparse import ArgumentError
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import yaml
from jsonargparse import ArgumentParser, Namespace

from suite.layers import LISTS, Layers, mapping_of, presets, texts_of
from suite.registry import Workload
from workload.errors import UserError
from workload.recipe import descriptions

ABOUT = """\
{title} Several seeds, schemes or values of lambda train {how}, each
combination in a run directory of its own. Presets, files and flags layer left to right. Dashes and
underscores in flags are the same; files use underscores."""


def make_parser(workload: Workload, prog: str) -> ArgumentParser:
    """The parser of all flags. Names, types and defaults come from Recipe and Machine, the help
    from their docstrings, the grouping from `workload.SECTIONS`."""
    how = "together as one population" if workload.TOGETHER else "one after the other"
    parser = ArgumentParser(
        prog=prog,
        usage="%(prog)s [--preset NAME] [--config FILE] [--FLAG VALUE ...]",
        description=ABOUT.format(title=workload.TITLE, how=how),
        exit_on_error=False,
        default_env=False,
        print_config=None,  # ours also says what memory is needed
    )
    # argparse knows -1 and -.5 as values, not -1e-3 nor -inf.
    parser._negative_number_matcher = re.compile(r"-(\d|\.\d|inf|nan)")
    _layer_flags(parser, workload)
    _member_flags(parser, workload)
    for title, keys in workload.SECTIONS.items():
        _typed_flags(parser, title, workload.Recipe, keys)
    _typed_flags(
        parser,
        "Machine: no part of what a run computes",
        workload.Machine,
        [field.name for field in fields(workload.Machine)],
    )
    runs = parser.add_argument_group("Runs")
    runs.add_argument("--runs", type=str, default="runs", metavar="DIR", help="where runs are kept")
    runs.add_argument(
        "--from_previous_checkpoint",
        action="store_true",
        help="resume from the checkpoint before the newest, when the newest is damaged",
    )
    return parser


def _layer_flags(parser: ArgumentParser, workload: Workload) -> None:
    group = parser.add_argument_group("Where values come from")
    by_key = f"; --{workload.PRESET_KEY} NAME does the same" if workload.PRESET_KEY else ""
    group.add_argument(
        "--preset",
        default=workload.PRESET,
        metavar="NAME",
        help=f"bottom layer: {' or '.join(presets(workload.NAME))}" + by_key,
    )
    group.add_argument(
        "--config", metavar="FILE", help="YAML file of keys named like the flags; may be repeated"
    )
    group.add_argument(
        "--print_config",
        action="store_true",
        help="print every key as YAML for --config, with the memory needed, and exit",
    )


def _member_flags(parser: ArgumentParser, workload: Workload) -> None:
    group = parser.add_argument_group("Members: every combination is trained")
    group.add_argument(
        "--scheme", type=workload.Scheme, nargs="*", default=["none"], help="how weights decay"
    )
    group.add_argument(
        "--weight_decay",
        type=float,
        nargs="*",
        default=[],
        metavar="LAMBDA",
        help="lambda of every scheme but none, which has none",
    )
    group.add_argument("--seed", type=int, nargs="*", default=[0], help="of everything random")


def _typed_flags(parser: ArgumentParser, title: str, kind: type[Any], keys: Iterable[str]) -> None:
    group = parser.add_argument_group(title)
    hints = get_type_hints(kind)
    defaults = {field.name: field.default for field in fields(kind)}
    texts = descriptions(kind)
    for key in keys:
        group.add_argument(f"--{key}", type=hints[key], default=defaults[key], help=texts[key])


def make_values_parser(workload: Workload, keys: Iterable[str]) -> ArgumentParser:
    """A parser under which every key takes any number of values of its type, for grids."""
    parser = ArgumentParser(exit_on_error=False, default_env=False, print_config=None)
    hints = get_type_hints(workload.Recipe) | get_type_hints(workload.Member)
    for key in keys:
        parser.add_argument(f"--{key}", type=hints[key], nargs="*")
    return parser


_REFUSED = re.compile(
    r'Parser key "(?P<key>\w+)".*?:\s*Expected a (?P<type>.*)\. Got value: (?P<value>.*)', re.DOTALL
)


def parse(
    parser: ArgumentParser,
    argv: Sequence[str],
    workload: Workload,
    base: yaml.Node | None = None,
    name: str = "",
) -> Namespace:
    """Values of all flags after all layers; `base`, of the file `name`, lies above the preset.

    Raises:
        UserError: with the file and line, the key, the value and what is allowed.
        SystemExit: after printing `--help`.
    """
    if {"-h", "--help"} & set(argv):
        parser.print_help()
        raise SystemExit(0)
    layers = Layers(_flags(parser))
    values = _parse(parser, layers.expand(argv, workload, base, name), layers)
    if values.scheme == ["none"] and layers.from_another_file("weight_decay", than="scheme"):
        values.weight_decay = []  # of the schemes that none has replaced
    return values


def parse_values(parser: ArgumentParser, node: yaml.Node, name: str) -> dict[str, list[Any]]:
    """The typed values of the keys of a mapping, one or a list of them each, in its order.

    Raises:
        UserError: with file and line, the key, the value and what is allowed.
    """
    layers = Layers(_flags(parser))
    tokens: list[str] = []
    keys = mapping_of(node, name, _flags(parser), "axis")
    for key, values in keys.items():
        where = f"{name}, line {values.start_mark.line + 1}"
        layers.origin[key] = where
        tokens += [f"--{key}", *texts_of(values, f"{where}: {key} takes values, e.g. [1, 2]")]
    parsed = _parse(parser, tokens, layers)
    return {key: parsed[key] for key in keys}


def _parse(parser: ArgumentParser, tokens: list[str], layers: Layers) -> Namespace:
    try:
        return parser.parse_args(tokens)
    except ArgumentError as error:
        refused = _REFUSED.search(str(error))
        if refused is None:
            raise UserError(" ".join(str(error).split())) from error
        key, value = refused["key"], refused["value"].strip()
        where = f"{layers.origin[key]}: " if layers.origin.get(key) else ""
        allowed = _allowed(parser, key)
        if key in LISTS and "," in value:
            parts = [part.strip() for part in value.split(",")]
            several = f"{key}: [{', '.join(parts)}]" if where else f"--{key} {' '.join(parts)}"
            allowed += f"; several values are written {several}"
        raise UserError(f"{where}{key}: {value!r} is not {allowed}") from error


def _flags(parser: ArgumentParser) -> list[str]:
    return [key.removeprefix("--") for key in _actions(parser) if key.startswith("--")]


def _allowed(parser: ArgumentParser, key: str) -> str:
    action = _actions(parser)[f"--{key}"]
    kind = getattr(action, "_typehint", None) or action.type
    names = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}
    choices = ", ".join(map(str, get_args(kind)))
    return names.get(kind) or f"one of {choices}"


def _actions(parser: ArgumentParser) -> dict[str, Any]:
    actions: dict[str, Any] = parser._option_string_actions
    return actions
