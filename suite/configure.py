"""From presets, YAML files and flags to one checked request. Imports no torch.

Layers go left to right: the preset first, then every `--config FILE` and flag in the order given.
A file is read as the flags it stands for, so both have the same names, types and mistakes.
"""

import itertools
import re
from argparse import ArgumentError
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import yaml
from jsonargparse import ArgumentParser, Namespace

from suite.errors import UserError
from suite.wording import unknown
from suite.workloads import Member, Workload

LISTS = ("seed", "scheme", "weight_decay")
COMMAND_ONLY = ("help", "preset", "config", "print_config", "from_previous_checkpoint")

ABOUT = """\
{title} Several seeds, schemes or values of lambda
train together as one population, every combination in a run directory of its own. Presets, files
and flags layer left to right. --weight-decay and --weight_decay are the same flag; in a file the
key is weight_decay."""


@dataclass(frozen=True)
class Request:
    """What a `run` command asks for, resolved and valid in itself."""

    recipe: Any
    members: tuple[Member, ...]
    machine: Any
    runs: Path
    print_config: bool
    from_previous_checkpoint: bool

    def as_yaml(self) -> str:
        """Every key with its value, ready to be given back with --config."""
        members = {
            "scheme": list(dict.fromkeys(member.scheme for member in self.members)),
            "weight_decay": sorted({m.weight_decay for m in self.members if m.weight_decay}),
            "seed": list(dict.fromkeys(member.seed for member in self.members)),
        }
        keys = {
            **asdict(self.recipe),
            **members,
            **asdict(self.machine),
            "runs": str(self.runs),
        }
        text: str = yaml.safe_dump(keys, sort_keys=False, default_flow_style=None)
        return text


def presets(workload: str) -> list[str]:
    """Names that --preset takes: the YAML files of configs/<workload>."""
    folder = resources.files("configs") / workload
    return sorted(
        file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml")
    )


def read_request(workload: Workload, argv: Sequence[str], prog: str) -> Request:
    """Parse the command line behind `run <workload>`.

    Raises:
        UserError: an unknown option, key, preset or value, or an unreadable file.
        SystemExit: after printing `--help`.
    """
    parser = _parser(workload, prog)
    if {"-h", "--help"} & set(argv):
        parser.print_help()
        raise SystemExit(0)
    flags = sorted(name.removeprefix("--") for name in parser._option_string_actions)
    layers = _Layers([flag for flag in flags if flag != "-h"])
    values = _parse(parser, layers, layers.tokens(workload.NAME, argv))
    try:
        return Request(
            recipe=_build(workload.Recipe, values),
            members=_members(workload, values),
            machine=_build(workload.Machine, values),
            runs=Path(values.runs),
            print_config=values.print_config,
            from_previous_checkpoint=values.from_previous_checkpoint,
        )
    except ValueError as error:  # a workload's ConfigError
        raise UserError(str(error)) from error


def _parser(workload: Workload, prog: str) -> ArgumentParser:
    parser = ArgumentParser(
        prog=prog,
        usage="%(prog)s [--preset NAME] [--config FILE] [--FLAG VALUE ...]",
        description=ABOUT.format(title=workload.TITLE),
        exit_on_error=False,
        default_env=False,
        print_config=None,  # ours says what memory is needed too
    )
    # argparse knows -1 and -.5 as values, not -1e-3 nor -inf.
    parser._negative_number_matcher = re.compile(r"-(\d|\.\d|inf|nan)")
    names = presets(workload.NAME)
    layers = parser.add_argument_group("Where values come from")
    layers.add_argument(
        "--preset", default=names[-1], metavar="NAME", help=f"bottom layer: {' or '.join(names)}"
    )
    layers.add_argument(
        "--config", metavar="FILE", help="YAML file of keys named like the flags; may be repeated"
    )
    layers.add_argument(
        "--print_config",
        action="store_true",
        help="print every key as YAML for --config, with the memory needed, and exit",
    )
    members = parser.add_argument_group("Members: every combination is trained")
    members.add_argument(
        "--scheme", type=workload.Scheme, nargs="*", default=["none"], help="how weights decay"
    )
    members.add_argument(
        "--weight_decay",
        type=float,
        nargs="*",
        default=[],
        metavar="LAMBDA",
        help="lambda of every scheme but none, which has none",
    )
    members.add_argument("--seed", type=int, nargs="*", default=[0], metavar="SEED", help="seeds")
    parser.add_class_arguments(workload.Recipe)
    parser.add_class_arguments(workload.Machine)
    runs = parser.add_argument_group("Runs")
    runs.add_argument("--runs", type=str, default="runs", metavar="DIR", help="where runs are kept")
    runs.add_argument(
        "--from_previous_checkpoint",
        action="store_true",
        help="resume from the checkpoint before the newest, when the newest is damaged",
    )
    return parser


class _Layers:
    """Turns presets and files into flags, and remembers which line of which file set a key."""

    def __init__(self, flags: list[str]) -> None:
        self.flags = flags
        self.origin: dict[str, str] = {}

    def tokens(self, workload: str, argv: Sequence[str]) -> list[str]:
        preset, above = None, []
        rest = iter(argv)
        for token in rest:
            if not token.startswith("--"):
                above.append(token)
                continue
            name, equals, value = token.removeprefix("--").partition("=")
            name = name.replace("-", "_")
            if name not in self.flags:
                raise UserError(
                    unknown("option", f"--{name}", (f"--{flag}" for flag in self.flags))
                )
            if name in ("config", "preset"):
                value = value if equals else next(rest, "")
                if not value or value.startswith("--"):
                    raise UserError(f"--{name} needs a value")
                if name == "preset":
                    preset = value
                else:
                    above += self.file_tokens(_read_file(Path(value)), value)
            else:
                self.origin.pop(name, None)
                above.append(f"--{name}{equals}{value}")
        return [*(self.preset_tokens(workload, preset) if preset else []), *above]

    def preset_tokens(self, workload: str, preset: str) -> list[str]:
        names = presets(workload)
        if preset not in names:
            raise UserError(unknown("preset", preset, names))
        file = resources.files("configs") / workload / f"{preset}.yaml"
        kept, self.origin = self.origin, {}
        tokens = self.file_tokens(file.read_text(), f"preset {preset}")
        self.origin |= kept
        return tokens

    def file_tokens(self, text: str, name: str) -> list[str]:
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f", line {mark.line + 1}" if mark else ""
            raise UserError(f"{name}{line}: not YAML: {error.problem}") from error
        except yaml.YAMLError as error:
            raise UserError(f"{name}: not YAML: {' '.join(str(error).split())}") from error
        if root is None:
            return []
        if not isinstance(root, yaml.MappingNode):
            raise UserError(f"{name}: expected lines of `key: value`, e.g. `gamma: 0.99`")
        return list(itertools.chain.from_iterable(self.key_tokens(root, name)))

    def key_tokens(self, root: yaml.MappingNode, name: str) -> Iterator[list[str]]:
        seen: set[str] = set()
        keys = [flag for flag in self.flags if flag not in COMMAND_ONLY]
        for key_node, value_node in root.value:
            where = f"{name}, line {key_node.start_mark.line + 1}"
            key = str(key_node.value)
            if key not in keys:
                raise UserError(f"{where}: {unknown('key', key, keys)}")
            if key in seen:
                raise UserError(f"{where}: {key} is given a second time")
            seen.add(key)
            self.origin[key] = where
            several = isinstance(value_node, yaml.SequenceNode) and key in LISTS
            values = value_node.value if several else [value_node]
            for node in values:
                if not isinstance(node, yaml.ScalarNode) or node.tag.endswith(":null"):
                    raise UserError(f"{where}: {key} needs {'values' if several else 'one value'}")
            texts = [str(node.value) for node in values]
            yield [f"--{key}", *texts] if key in LISTS else [f"--{key}={texts[0]}"]


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"config file {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"config file {path} cannot be read: {error}") from error


_REFUSED = re.compile(
    r'Parser key "(?P<key>\w+)".*?:\s*Expected a (?P<type>.*)\. Got value: (?P<value>.*)', re.DOTALL
)


def _parse(parser: ArgumentParser, layers: _Layers, tokens: list[str]) -> Namespace:
    try:
        return parser.parse_args(tokens)
    except ArgumentError as error:
        refused = _REFUSED.search(str(error))
        if refused is None:
            raise UserError(" ".join(str(error).split())) from error
        key, value = refused["key"], refused["value"].strip()
        where = f"{layers.origin[key]}: " if key in layers.origin else ""
        allowed = _allowed(parser, key)
        raise UserError(f"{where}{key}: {value!r} is not {allowed}") from error


def _allowed(parser: ArgumentParser, key: str) -> str:
    action = parser._option_string_actions[f"--{key}"]
    kind = getattr(action, "_typehint", None) or action.type
    names = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}
    if kind in names:
        return names[kind]
    choices = get_args(kind)
    return f"one of {', '.join(map(str, choices))}" if choices else str(kind)


def _build(kind: type[Any], values: Namespace) -> Any:
    return kind(**{key: values[key] for key in kind.__dataclass_fields__})


def _members(workload: Workload, values: Namespace) -> tuple[Member, ...]:
    for key in LISTS:
        given = values[key]
        if len(set(given)) < len(given):
            raise UserError(f"{key}: {' '.join(map(str, given))} names a value twice")
        if not given and key != "weight_decay":
            raise UserError(f"{key} needs at least one value")
    if values.weight_decay and set(values.scheme) == {"none"}:
        raise UserError(
            f"weight_decay: {' '.join(f'{w:g}' for w in values.weight_decay)} has no meaning for "
            "scheme none; leave it out or choose l2, decoupled or separated"
        )
    members: list[Member] = []
    for scheme in values.scheme:
        for weight_decay in [0.0] if scheme == "none" else values.weight_decay or [0.0]:
            members += [
                workload.Member(scheme=scheme, weight_decay=weight_decay, seed=seed)
                for seed in values.seed
            ]
    return tuple(members)
