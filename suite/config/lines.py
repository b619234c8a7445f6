"""YAML files that users write, with the line on which each thing stands.

Duplicate keys and lines are what a YAML loader does not tell.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

import yaml

from workload.errors import UserError
from workload.wording import unknown

NULL, MERGE = "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"


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


def line_of(node: yaml.Node, name: str) -> str:
    """Where a node of the file `name` stands, e.g. `a.yaml, line 2`."""
    return f"{name}, line {node.start_mark.line + 1}"


def mapping_of(
    root: yaml.Node,
    name: str,
    allowed: Collection[str],
    kind: str,
    elsewhere: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, yaml.Node]:
    """The values of a YAML mapping by key, those that `<<` merges into it first.

    Raises:
        UserError: it is no mapping, or has a key twice or one that is not allowed; `kind` says
            what the keys are, `elsewhere` how other tools' are called here.
    """
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"{name}: expected lines of `key: value`, e.g. `seed: 1`")
    merged: dict[str, yaml.Node] = {}
    own: dict[str, yaml.Node] = {}
    for key_node, value in root.value:
        where = line_of(key_node, name)
        key = str(key_node.value)
        if key_node.tag == MERGE:
            for node in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if node is root:
                    raise UserError(f"{where}: << merges a mapping into itself")
                merged = (
                    mapping_of(node, name, allowed, kind, elsewhere) | merged
                )  # the first one counts
        elif key not in allowed:
            raise UserError(f"{where}: {unknown(kind, key, allowed, elsewhere)}")
        elif key in own:
            raise UserError(f"{where}: {key} is given a second time")
        else:
            own[key] = value
    return merged | own


def texts_of(node: yaml.Node, mistake: str, *, several: bool) -> list[str]:
    """A scalar, or where `several` may be given a list of them, as they are written. UserError
    with `mistake` for all else, null among it."""
    listed = several and isinstance(node, yaml.SequenceNode)
    nodes = node.value if listed else [node]
    for one in nodes:
        if not isinstance(one, yaml.ScalarNode) or one.tag == NULL:
            raise UserError(mistake)
    return [str(one.value) for one in nodes]
