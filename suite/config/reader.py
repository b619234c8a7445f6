"""From layers of values as they are written to typed values.

A layer is a preset, a file, or the flags between two files; a later one replaces what an earlier
one says. Types, defaults and help are jsonargparse's. What it does not say is added here: on which
line of which file a mistake stands, and what is allowed there.
"""

import re
from argparse import ArgumentError
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import yaml

from suite.config.flags import LISTS, SWITCHES, key_types, make_parser, split_flags
from suite.config.help_text import ALLOWED
from suite.config.lines import compose, line_of, mapping_of, read_text, texts_of
from suite.registry import AnyWorkload
from workload.errors import UserError
from workload.wording import unknown

SEXAGESIMAL = re.compile(r"[-+]?\d+(:\d+)+(\.\d*)?")
"""What YAML 1.1 reads as a number with the base 60: 1:3 is 63 there."""
RANGE = re.compile(r"\d+ *(-|\.\.+) *\d+")


class Given(NamedTuple):
    """The values of a key as they are written; in a file also its name and where they stand in
    it, e.g. `a.yaml` and `a.yaml, line 2`."""

    texts: list[str]
    file: str = ""
    where: str = ""


ConfigLayer = dict[str, Given]
Flags = list[tuple[str, list[str]]]


class Reader:
    """Reads what a user gives for the keys of one workload.

    Args:
        workload: whose keys.
        prog: the command, for `--help`.
    """

    def __init__(self, workload: AnyWorkload, prog: str) -> None:
        self._workload, self._types = workload, key_types(workload)
        self._parser = make_parser(workload, prog)

    def values(
        self, argv: Sequence[str], base: yaml.Node | None = None, file: str = ""
    ) -> dict[str, Any]:
        """Values of all flags after all layers: the preset, then `base`, a mapping in a grid's
        `file`, then every `--config FILE` and flag in the order given.

        The workload's own preset is taken where none is given, neither by `--preset` nor by name
        as the value of the workload's PRESET_KEY.

        Raises:
            UserError: with the file and line, the key, the value and what is allowed.
            SystemExit: after printing `--help`.
        """
        if {"-h", "--help"} & set(argv):
            self._parser.print_help()
            raise SystemExit(0)
        preset, flags = self._choose_preset(
            split_flags(argv, self._types, self._workload.OTHER_NAMES, self._workload.SYNONYMS)
        )
        layers = self._file(self._preset(preset), f"preset {preset}")
        layers += [self._layer(base, file)] if base else []
        for key, texts in flags:
            if key == "config":
                layers += self._file(read_text(Path(texts[0]), key), texts[0])
            elif key in self._types:
                layers.append({key: Given(texts)})
        values = vars(self._parser.get_defaults())
        files: dict[str, str] = {}
        for layer in layers:
            for key, typed in self._typed(layer).items():
                values[key] = typed if key in LISTS else typed[0]
                files[key] = layer[key].file
        decay, scheme = files.get("weight_decay"), files.get("scheme")
        if values["scheme"] == ["none"] and decay and scheme not in (decay, None):
            values["weight_decay"] = []  # of the schemes that none has replaced
        if scheme is None and values["weight_decay"] and self._workload.SCHEME:
            values["scheme"] = [self._workload.SCHEME]
        return values | {key: True for key, _ in flags if key in SWITCHES}

    def axes(self, node: yaml.Node, file: str, keys: Collection[str]) -> dict[str, list[Any]]:
        """The typed values of a mapping of `keys`, one or a list of them each, in its order.

        Raises:
            UserError: with file and line, the key, the value and what is allowed.
        """
        return self._typed(self._layer(node, file, lists=keys))

    def _choose_preset(self, flags: Flags) -> tuple[str | None, Flags]:
        """The preset and the flags, where the last value of PRESET_KEY may name one.

        Such a value becomes what the preset has under that key: a file between them stays below.
        """
        workload, given = self._workload, dict(flags)
        if "preset" in given:
            return given["preset"][0], flags
        key = workload.PRESET_KEY
        if key not in given or given[key][0] not in workload.preset_names():
            return workload.PRESET, flags
        name = given[key][0]
        value = yaml.safe_load(self._preset(name)).get(key, name)
        return name, [(flag, [value] if flag == key else texts) for flag, texts in flags]

    def _preset(self, name: str | None) -> str:
        if name is None:
            return ""
        names = self._workload.preset_names()
        if not names:
            folder = self._workload.preset_folder()
            raise UserError(f"preset {name}: {self._workload.NAME} has none; {folder} has no YAML")
        if name not in names:
            raise UserError(unknown("preset", name, names))
        return (self._workload.preset_folder() / f"{name}.yaml").read_text(encoding="utf-8")

    def _file(self, text: str, file: str) -> list[ConfigLayer]:
        """The layer of the first document of a file; none where it is empty."""
        return [self._layer(root, file) for root in compose(text, file)[:1]]

    def _layer(self, root: yaml.Node, file: str, lists: Collection[str] = LISTS) -> ConfigLayer:
        layer = {}
        elsewhere = self._workload.OTHER_NAMES
        for key, node in mapping_of(root, file, self._types, "key", elsewhere).items():
            several, where = key in lists, line_of(node, file)
            takes = "values, e.g. [1, 2]" if several else "one value"
            texts = texts_of(node, f"{where}: {key} takes {takes}", several=several)
            layer[key] = Given(texts, file, where)
        return layer

    def _typed(self, layer: ConfigLayer) -> dict[str, list[Any]]:
        return {
            key: [self._value(key, text, given) for text in given.texts]
            for key, given in layer.items()
        }

    def _value(self, key: str, text: str, given: Given) -> Any:
        several = key in LISTS
        where = f"{given.where}: " if given.file else ""
        if self._types[key] in (int, float) and SEXAGESIMAL.fullmatch(text.strip()):
            example = f"{key}: [1, 2, 3]" if given.file else f"--{key} 1 2 3"
            hint = f"; several values are written out, e.g. {example}" if several else ""
            raise UserError(f"{where}{key}: {text!r} is not {ALLOWED[self._types[key]]}{hint}")
        try:
            value = {key: [text] if several else text}
            typed = self._parser.parse_object(value, defaults=False)[key]
        except ArgumentError as error:
            kind = self._types[key]
            allowed = ALLOWED.get(kind) or f"one of {', '.join(map(str, get_args(kind)))}"
            if several and "," in text:
                parts = [part.strip() for part in text.split(",")]
                right = (
                    f"{key}: [{', '.join(parts)}]" if given.file else f"--{key} {' '.join(parts)}"
                )
                allowed += f"; several values are written {right}"
            elif several and RANGE.fullmatch(text.strip()):
                right = f"{key}: [0, 1, 2]" if given.file else f"--{key} 0 1 2"
                allowed += f"; there are no ranges, values are written out, e.g. {right}"
            raise UserError(f"{where}{key}: {text!r} is not {allowed}") from error
        return typed[0] if several else typed
