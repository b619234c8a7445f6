"""A grid file: a base configuration, axes, and what is added to or left out of their product.

    workload: NAME
    preset: paper            # as --preset
    base: {beta2: 0.99}      # as a file of --config
    axes:                    # every combination
      rounding: [once, torch]
      scheme: [none, l2]
      weight_decay: [1.0e-3, 1.0e-4]     # or {log: [1e-6, 1e-2], points: 9}
      seed: [0, 1, 2]
    exclude:                 # runs with all of these values are left out
      - {rounding: torch, weight_decay: 1.0e-3}
    include:                 # further combinations, as axes of their own
      - {scheme: separated, weight_decay: 1.0e-5, seed: [0, 1]}

Documents of a file, one after the other with `---` between them, are grids of their own, so that
one file may cover several workloads. Imports no torch.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from shared_optim.schemes import BASELINE
from suite.config.flags import LISTS
from suite.config.lines import compose, line_of, mapping_of, read_text
from suite.config.reader import Reader
from suite.config.request import build, members
from suite.registry import AnyWorkload, load, names
from suite.runs.directory import Run
from workload.errors import UserError
from workload.member import Member
from workload.output import warn
from workload.recipe import MachineBase, OptimizerRecipe

SCHEDULE = "decay_schedule"
FLOAT, TEXT = "tag:yaml.org,2002:float", "tag:yaml.org,2002:str"
SEQUENCE, MAPPING = "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"
KEYS = ("workload", "preset", "base", "axes", "exclude", "include")


@dataclass(frozen=True)
class GridRun:
    """One run of a grid: what is trained, how, and where it is kept."""

    workload: AnyWorkload
    recipe: OptimizerRecipe
    machine: MachineBase
    member: Member
    run: Run


@dataclass(frozen=True)
class Grid:
    """The runs of a grid file, in its order, each once."""

    file: Path
    runs: tuple[GridRun, ...]


def read_grid(file: Path, runs: Path, machine: Mapping[str, Any]) -> Grid:
    """Read a grid file.

    Args:
        file: the YAML.
        runs: folder of all runs.
        machine: values of machine keys that stand above the file's, where a workload has the key.

    Raises:
        UserError: with file and line: an unknown key or axis, a value of the wrong type, a key
            given twice, a task that does not exist, or no run at all.
    """
    found: dict[Path, GridRun] = {}
    try:
        for node in compose(read_text(file, "grid"), str(file)):
            for run in _Document(node, str(file), machine).runs(runs):
                first = found.setdefault(run.run.path, run)
                if first.run.config != run.run.config:
                    found[run.run.path] = max(first, run, key=_length)
    except (UserError, ValueError) as error:  # a workload's ConfigError is a ValueError
        named = str(file) in str(error)
        raise UserError(str(error) if named else f"{file}: {error}") from error
    if not found:
        raise UserError(f"{file}: the grid has no runs; give `axes` with values to combine")
    return Grid(file, tuple(found.values()))


class _Document:
    """One grid: its base, and the products of axes and of every include."""

    def __init__(self, node: yaml.Node, name: str, machine: Mapping[str, Any]) -> None:
        self._name = name
        parts = mapping_of(node, name, KEYS, "key")
        if "workload" not in parts:
            raise UserError(f"{name}: no workload is given; allowed are {', '.join(names())}")
        self._workload = load(_scalar(parts["workload"], f"{name}: workload"))
        self._reader = Reader(self._workload, "wdbench batch")
        self._keys = (*self._workload.Recipe.keys(), *LISTS)
        self._machine_keys = {field.name for field in fields(self._workload.Machine)}
        self._base, given = self._read_base(parts, machine)
        self._axes = self._values(parts["axes"], "axes") if "axes" in parts else {}
        if both := sorted(given & set(self._axes)):
            raise UserError(f"{name}: {both[0]} is given in base and in axes; keep one of them")
        self._exclude = [self._values(part, "exclude") for part in self._entries(parts, "exclude")]
        self._include = [self._values(part, "include") for part in self._entries(parts, "include")]

    def runs(self, folder: Path) -> Iterator[GridRun]:
        """Every run of the product that is not excluded, then the included ones."""
        unmatched = dict(enumerate(self._exclude, 1))
        kept = 0
        for run in self._product(self._axes, folder):
            matched = [n for n, values in enumerate(self._exclude, 1) if _matches(run, values)]
            for number in matched:
                unmatched.pop(number, None)
            if not matched:
                kept += 1
                yield run
        if not kept and not self._include:
            raise UserError(f"{self._name}: exclude leaves out every run of axes")
        for number in unmatched:
            warn(f"{self._name}: entry {number} of exclude matches no run")
        for values in self._include:
            yield from self._product(values, folder)

    def _product(self, axes: Mapping[str, list[Any]], folder: Path) -> Iterator[GridRun]:
        workload = self._workload
        lists = {key: axes.get(key, self._base[key]) for key in LISTS}
        if lists["scheme"] == ["none"] and "weight_decay" not in axes:
            lists["weight_decay"] = []  # of the schemes that none replaces
        all_members = members(workload, lists)
        machine = build(workload.Machine, self._base)
        own = {key: values for key, values in axes.items() if key not in LISTS}
        for combination in itertools.product(*own.values()):
            values = {**self._base, **dict(zip(own, combination, strict=True))}
            recipe = build(workload.Recipe, values)
            workload.validate(recipe, machine)
            workload.validate_members(recipe, all_members)
            # no decay has no schedule: it is trained once, not once per schedule of the others
            plain = replace(recipe, decay_schedule=workload.Recipe().decay_schedule)
            for member in all_members:
                own_recipe = plain if SCHEDULE in own and member.scheme == BASELINE else recipe
                run = Run.of(workload, own_recipe, member, folder)
                yield GridRun(workload, own_recipe, machine, member, run)

    def _read_base(
        self, parts: Mapping[str, yaml.Node], machine: Mapping[str, Any]
    ) -> tuple[dict[str, Any], set[str]]:
        """Values of all keys below the axes, and the keys that the file's base gives."""
        argv = [f"--{key}={value}" for key, value in machine.items() if key in self._machine_keys]
        if "preset" in parts:
            argv += ["--preset", _scalar(parts["preset"], f"{self._name}: preset")]
        allowed = (*self._keys, *self._machine_keys)
        base = parts.get("base")
        given = set(mapping_of(base, f"{self._name}: base", allowed, "key")) if base else set()
        return self._reader.values(argv, base, self._name), given

    def _entries(self, parts: Mapping[str, yaml.Node], key: str) -> list[yaml.Node]:
        node = parts.get(key)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            where = f"{self._name}, line {node.start_mark.line + 1}"
            raise UserError(f"{where}: {key} takes a list, e.g. `- {{scheme: none, seed: [0, 1]}}`")
        entries: list[yaml.Node] = node.value
        return entries

    def _values(self, node: yaml.Node, what: str) -> dict[str, list[Any]]:
        """Typed values of every key of a mapping, one or a list of them each."""
        name = f"{self._name}: {what}"
        parts = mapping_of(node, name, (*self._keys, *self._machine_keys), "axis")
        for key, value in parts.items():
            where = f"{self._name}, line {value.start_mark.line + 1}: {what}: {key}"
            if key in self._machine_keys:
                raise UserError(f"{where} is no part of what a run computes; put it into base")
            if isinstance(value, yaml.SequenceNode) and not value.value:
                raise UserError(f"{where} has no values")
        ranges = {
            key: spread(value, f"{line_of(value, self._name)}: {what}: {key}")
            for key, value in parts.items()
            if isinstance(value, yaml.MappingNode)
        }
        if ranges:
            node = _with(parts | ranges, node)
        values = self._reader.axes(node, self._name, self._keys)
        for key, several in values.items():
            if len(set(several)) < len(several):
                raise UserError(f"{name}: {key} names a value twice")
        return values


def _length(run: GridRun) -> int:
    """How long a run shall be: of those that differ in nothing else, the longest holds the rest."""
    length: int = getattr(run.recipe, run.workload.LENGTH_KEY)
    return length


def _matches(run: GridRun, values: Mapping[str, list[Any]]) -> bool:
    return all(
        getattr(run.member if key in LISTS else run.recipe, key) in allowed
        for key, allowed in values.items()
    )


def spread(node: yaml.MappingNode, where: str) -> yaml.SequenceNode:
    """The values of `{log: [1e-6, 1e-2], points: 9}`: as many as there are points, at equal
    distances on the logarithmic axis, to three digits. UserError for all else."""
    mistake = f"{where}: a range of values is {{log: [1e-6, 1e-2], points: 9}}"
    parts = {str(key.value): value for key, value in node.value}
    if set(parts) != {"log", "points"} or not isinstance(parts["log"], yaml.SequenceNode):
        raise UserError(mistake)
    try:
        low, high = (float(end.value) for end in parts["log"].value)
        points = int(parts["points"].value)
    except (TypeError, ValueError) as error:
        raise UserError(mistake) from error
    if not (0 < low < high < math.inf and points >= 2):
        raise UserError(f"{mistake}: two ends above 0, the lower first, and 2 points or more")
    values = [low * (high / low) ** (place / (points - 1)) for place in range(points)]
    scalars = [
        yaml.ScalarNode(FLOAT, f"{value:.3g}", node.start_mark, node.end_mark) for value in values
    ]
    return yaml.SequenceNode(SEQUENCE, scalars, node.start_mark, node.end_mark)


def _with(parts: Mapping[str, yaml.Node], node: yaml.Node) -> yaml.MappingNode:
    """A mapping of these parts, where the node stands."""
    keys = {key: yaml.ScalarNode(TEXT, key, node.start_mark, node.end_mark) for key in parts}
    pairs = [(keys[key], value) for key, value in parts.items()]
    return yaml.MappingNode(MAPPING, pairs, node.start_mark, node.end_mark)


def _scalar(node: yaml.Node, what: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise UserError(f"{what} takes one value")
    return str(node.value)
