"""Presets and YAML files as the flags they stand for.

Layers go left to right: the preset first, then every `--config FILE` and flag in the order given.
Because a file becomes flags, both have the same names, types and mistakes.
"""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import yaml

from suite.registry import Workload
from workload.errors import UserError
from workload.wording import unknown

LISTS = ("seed", "scheme", "weight_decay")
COMMAND_ONLY = ("help", "preset", "config", "print_config", "from_previous_checkpoint")


def presets(workload: str) -> list[str]:
    """Names that --preset takes: the YAML files of configs/<workload>."""
    folder = resources.files("configs") / workload
    names = (file.name for file in folder.iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


class Layers:
    """Turns a command line into plain flags and remembers which line of which file set a key.

    Args:
        flags: names of all flags, with underscores and without dashes.

    Attributes:
        origin: file and line that set a key, e.g. `a.yaml, line 2`; empty where a flag did.
    """

    def __init__(self, flags: Sequence[str]) -> None:
        self._flags = list(flags)
        self._keys = [flag for flag in flags if flag not in COMMAND_ONLY]
        self.origin: dict[str, str] = {}

    def expand(
        self,
        argv: Sequence[str],
        workload: Workload,
        base: yaml.Node | None = None,
        name: str = "",
    ) -> list[str]:
        """The command line with `--preset` and `--config` replaced by what they contain.

        `base` is a mapping of the file `name` that lies between the preset and the rest.
        Dashes in flag names become underscores. The workload's own preset is taken where none is
        given, neither by `--preset` nor by name as the value of the workload's PRESET_KEY.

        Raises:
            UserError: an unknown flag, preset or key, or a file that cannot be read.
        """
        above = self._split(argv)
        named = [text for kind, text in above if kind == "preset"]
        preset = named[-1] if named else None
        if preset is None:
            above, preset = _preset_by_key(above, workload)
        tokens = self._file(_preset(workload.NAME, preset), f"preset {preset}")
        if base is not None:
            tokens += self.tokens(base, name)
        for kind, text in above:
            if kind == "config":
                tokens += self._file(read_text(Path(text), "config"), text)
            elif kind != "preset":
                if kind in self._keys:
                    self.origin[kind] = ""
                tokens.append(text)
        return tokens

    def _split(self, argv: Sequence[str]) -> list[tuple[str, str]]:
        """Flag names with their tokens; of presets and files their value; `value` for the rest."""
        above: list[tuple[str, str]] = []
        rest = iter(argv)
        flag, room = "", 0  # the flag whose values are being read, and how many it still takes
        for token in rest:
            name, equals, value = token.removeprefix("--").partition("=")
            name = name.replace("-", "_")
            if not token.startswith("--"):
                if flag and not room:
                    raise UserError(f"{flag} takes one value; {token!r} is a second")
                room -= 1
                above.append(("value", token))
            elif name not in self._flags:
                flags = (f"--{flag}" for flag in self._flags)
                raise UserError(unknown("option", f"--{name}", flags))
            elif name in ("preset", "config"):
                value = value if equals else next(rest, "")
                if not value or value.startswith("--"):
                    raise UserError(f"--{name} needs a value")
                above.append((name, value))
                flag, room = f"--{name}", 0
            else:
                flag = f"--{name}" if name not in (*LISTS, *COMMAND_ONLY) else ""
                room = 0 if equals else 1
                above.append((name, f"--{name}{equals}{value}"))
        return above

    def from_another_file(self, key: str, than: str) -> bool:
        """Whether a file set `key`, and a flag or another file set `than`."""
        ours, other = (self.origin.get(name) for name in (key, than))
        if not ours or other is None:
            return False
        return ours.rpartition(", line")[0] != other.rpartition(", line")[0]

    def _file(self, text: str, name: str) -> list[str]:
        return [token for root in compose(text, name)[:1] for token in self.tokens(root, name)]

    def tokens(self, root: yaml.Node, name: str) -> list[str]:
        """A mapping of the file `name` as flags."""
        tokens = []
        for key, node in mapping_of(root, name, self._keys, "key").items():
            where = f"{name}, line {node.start_mark.line + 1}"
            self.origin[key] = where
            if key in LISTS:
                texts = texts_of(node, f"{where}: {key} takes values, e.g. [1, 2]")
                tokens += [f"--{key}", *texts]
            else:
                tokens.append(f"--{key}={_text(node, f'{where}: {key} takes one value')}")
        return tokens


def compose(text: str, name: str) -> list[yaml.Node]:
    """The documents of a YAML text that are not empty.

    Raises:
        UserError: with the line, where the text is not YAML.
    """
    try:
        return [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{name}{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{name}: not YAML: {' '.join(str(error).split())}") from error


def mapping_of(
    root: yaml.Node, name: str, allowed: Sequence[str], kind: str
) -> dict[str, yaml.Node]:
    """The values of a YAML mapping by key.

    Raises:
        UserError: it is no mapping, or has a key twice or one that is not allowed; `kind` says
            what the keys are.
    """
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"{name}: expected lines of `key: value`, e.g. `seed: 1`")
    values: dict[str, yaml.Node] = {}
    for key_node, value in root.value:
        where = f"{name}, line {key_node.start_mark.line + 1}"
        key = str(key_node.value)
        if key not in allowed:
            raise UserError(f"{where}: {unknown(kind, key, allowed)}")
        if key in values:
            raise UserError(f"{where}: {key} is given a second time")
        values[key] = value
    return values


def texts_of(node: yaml.Node, otherwise: str) -> list[str]:
    """A scalar or a list of them as they are written; anything else is the mistake `otherwise`."""
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    return [_text(one, otherwise) for one in nodes]


def _text(node: yaml.Node, otherwise: str) -> str:
    """A scalar as it is written; anything else, and null, is a mistake."""
    if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
        raise UserError(otherwise)
    return str(node.value)


def _preset_by_key(
    above: list[tuple[str, str]], workload: Workload
) -> tuple[list[tuple[str, str]], str]:
    """The tokens and the preset, where the last value of PRESET_KEY may name one.

    Such a value becomes what the preset has under that key: a file between them stays below it.
    """
    key, preset = workload.PRESET_KEY, workload.PRESET
    places = [place for place, (kind, _) in enumerate(above) if key and kind == key]
    if not places:
        return above, preset
    place = places[-1]
    text = above[place][1]
    after = above[place + 1 : place + 2]
    width = 1 if "=" in text or not after or after[0][0] != "value" else 2
    name = text.partition("=")[2] if "=" in text else after[0][1] if width == 2 else ""
    if name not in presets(workload.NAME):
        return above, preset
    value = yaml.safe_load(_preset(workload.NAME, name)).get(key, name)
    return [*above[:place], (str(key), f"--{key}={value}"), *above[place + width :]], name


def _preset(workload: str, name: str) -> str:
    names = presets(workload)
    if name not in names:
        raise UserError(unknown("preset", name, names))
    return (resources.files("configs") / workload / f"{name}.yaml").read_text(encoding="utf-8")


def read_text(path: Path, kind: str) -> str:
    """The text of a file that a user names, a `kind` file. UserError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{kind} file {path} does not exist") from None
    except UnicodeDecodeError:
        raise UserError(f"{kind} file {path} is not YAML: it is not UTF-8 text") from None
    except OSError as error:
        raise UserError(f"{kind} file {path} cannot be read: {error.strerror}") from error
