"""Which runs a command is about: what is on disk, what their configurations say, which are one.

What this version cannot read is named and left out.
"""

import dataclasses
import math
import os
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.registry import AnyWorkload, load, names
from suite.results.rows import number
from suite.runs.directory import Run
from suite.runs.final import damaged
from suite.runs.log import EVALUATIONS, METRICS
from workload.errors import DAMAGE, UserError
from workload.identity import canonical, identity
from workload.member import Member
from workload.output import warn
from workload.recipe import OptimizerRecipe
from workload.report import Report
from workload.wording import counted, unknown

LeaveOut = Callable[[str], None]
"""Told of each run and line that cannot be read, and why."""

RESULT_FILES = ("config.json", EVALUATIONS)
"""Without which a run says nothing."""
CONFIG = ("format", "workload", "recipe", "member")


@dataclass(frozen=True)
class RunDescription:
    """What config.json says of a run: all that is known before its rows are read."""

    run: Run
    workload: AnyWorkload
    recipe: OptimizerRecipe
    member: Member

    @property
    def report(self) -> Report:
        return self.workload.report

    @property
    def full_task(self) -> str:
        return str(getattr(self.recipe, self.workload.TASK_KEY, ""))

    @property
    def task(self) -> str:
        return Path(self.full_task).name

    @property
    def length(self) -> int:
        """Iterations or epochs."""
        return int(getattr(self.recipe, self.workload.LENGTH_KEY))

    @property
    def length_is_free(self) -> bool:
        """Whether what it computes up to a step does not depend on its length. Then it can be
        compared with shorter ones where they end; else its length is a key as any other."""
        return self.workload.LENGTH_KEY in self.workload.free_keys(self.run.config["recipe"])

    @property
    def on_disk(self) -> bool:
        """Whether there is a directory; a grid may name runs that nobody has begun."""
        return self.run.path.is_dir()

    @property
    def values(self) -> dict[str, Any]:
        """The recipe by key, with the defaults of keys that the run was made without."""
        return self.recipe.values()

    @property
    def keys_and_member(self) -> dict[str, Any]:
        """The recipe by key, with scheme, weight_decay and seed."""
        return {**self.values, **vars(self.member)}

    def column(self) -> tuple[str, str]:
        """Where runs are compared with each other: the workload and the task."""
        return self.workload.NAME, self.full_task


def find(paths: Sequence[Path], leave_out: LeaveOut) -> list[Run]:
    """The runs at and below these paths, each once, in the order of the paths.

    Raises:
        UserError: a path has no run at or below it.
    """
    found: dict[Path, Run] = {}
    for path in paths:
        folders = [path] if (path / "config.json").exists() else list(_run_folders(path))
        if not folders:
            looks = (f"runs/{name}/{load(name).TASK_KEY.upper()}/*/*" for name in names())
            raise UserError(
                f"{path} is no run directory and has none below it; "
                f"run directories look like {' and '.join(looks)}"
            )
        for folder in folders:
            if (resolved := folder.resolve()) in found:
                continue
            try:
                found[resolved] = Run.at(folder)
            except UserError as error:
                leave_out(str(error))
            except DAMAGE as error:
                where = folder / "config.json"
                leave_out(f"{where} is damaged: {type(error).__name__}: {error}")
    return list(found.values())


def _run_folders(path: Path) -> Iterator[Path]:
    """Folders below that have a config.json, by name; links are followed, each folder once."""
    seen: set[Path] = set()
    for folder, below, files in os.walk(path, followlinks=True):
        resolved = Path(folder).resolve()
        if resolved in seen:
            below.clear()
            continue
        seen.add(resolved)
        below.sort()
        if "config.json" in files:
            yield Path(folder)


def find_runs(paths: Sequence[Path]) -> list[Run]:
    """As `find`; what is left out is named on stderr.

    Raises:
        UserError: there is no run; it says why.
    """
    reasons: list[str] = []
    runs = find(paths, reasons.append)
    if not runs:
        raise UserError("; ".join(reasons))
    for reason in reasons:
        warn(f"left out: {reason}")
    return runs


def describe(runs: Iterable[Run], leave_out: LeaveOut) -> list[RunDescription]:
    """What the runs are; those that this version does not know are named."""
    found = []
    for run in runs:
        try:
            found.append(_describe_run(run))
        except UserError as error:
            leave_out(str(error))
        except DAMAGE as error:
            where = run.path / "config.json"
            leave_out(f"{where} is damaged: {type(error).__name__}: {error}")
    return found


def one_of_each(described: Sequence[RunDescription], leave_out: LeaveOut) -> list[RunDescription]:
    """Of directories with the same run one whose results are sound, and of finished ones one whose
    rows of training are; of these the longest, and of equally long ones a finished one."""
    kept: dict[str, RunDescription] = {}
    for run in described:
        own = same(run)
        twin = kept.setdefault(own, run)
        if twin is run:
            continue
        pair = (twin, run)
        finished = [_finished(one.run) for one in pair]
        ranks = [
            (
                _sound(one.run, RESULT_FILES),
                not all(finished) or _sound(one.run, (METRICS,)),
                one.length,
                ended,
            )
            for one, ended in zip(pair, finished, strict=True)
        ]
        better, worse = pair if ranks[0] >= ranks[1] else pair[::-1]
        but = ""
        if max(ranks)[:2] > min(ranks)[:2]:
            but = ", but damaged"
        elif worse.length != better.length:
            but = ", but shorter"
        leave_out(f"{worse.run.path} is the same run as {better.run.path}{but}")
        kept[own] = better
    return list(kept.values())


def as_planned(
    described: Sequence[RunDescription], planned: Sequence[RunDescription], tell: LeaveOut
) -> list[RunDescription]:
    """The runs that a grid names, in its order: as they are on disk, else as it plans them."""
    on_disk = {same(run): run for run in described}
    names = [same(run) for run in planned]
    if others := len(on_disk.keys() - set(names)):
        tell(f"{counted(others, 'run')} that the grid file does not name: left out")
    return [on_disk.get(name, run) for name, run in zip(names, planned, strict=True)]


def chosen(described: Sequence[RunDescription], conditions: Sequence[str]) -> list[RunDescription]:
    """The runs that meet every condition `KEY=VALUE,...`: one of the values under the key.

    Raises:
        UserError: a condition has another form or names a key that no run has, or no run is left.
    """
    kept = list(described)
    for condition in conditions:
        key, equals, values = condition.partition("=")
        known = dict.fromkeys(name for run in described for name in run.keys_and_member)
        if not equals:
            raise UserError(f"--only: {condition!r} is no KEY=VALUE, e.g. scheme=l2,decoupled")
        if key not in known:
            raise UserError(f"--only: {unknown('key', key, known)}")
        own = [(run, run.keys_and_member.get(key)) for run in kept]
        kept = [run for run, value in own if _is_one_of(value, values.split(","))]
        if not kept:
            found = sorted({str(value) for _, value in own})
            raise UserError(f"--only: no run has {condition}; there are {', '.join(found)}")
    return kept


def _is_one_of(value: Any, texts: Sequence[str]) -> bool:
    """Whether a text says this value; numbers however they are written."""
    for text in texts:
        with suppress(ValueError):
            if not isinstance(value, str | bool | None) and float(text) == value:
                return True
        if text.strip().lower() in (str(value).lower(), Path(str(value)).name.lower()):
            return True
    return False


def same(run: RunDescription) -> str:
    """What tells the run from all others, wherever it lies."""
    return canonical(identity(run.workload, run.run.config))


def common_lengths(described: Sequence[RunDescription]) -> dict[tuple[str, str], int]:
    """The length at which all runs of a task can be compared, where they have several."""
    lengths: dict[tuple[str, str], set[int]] = {}
    for run in described:
        if run.length_is_free:
            lengths.setdefault(run.column(), set()).add(run.length)
    return {column: min(own) for column, own in lengths.items() if len(own) > 1}


def _sound(run: Run, files: Sequence[str]) -> bool:
    """Whether files are what they were when it ended."""
    try:
        return not damaged(run.path, files)
    except UserError:
        return False


def _finished(run: Run) -> bool:
    try:
        return run.status() == "finished"
    except UserError:
        return False


def _describe_run(run: Run) -> RunDescription:
    where = run.path / "config.json"
    try:
        workload = run.workload
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    _known(run.config, CONFIG, where)
    recipe = _typed(workload.Recipe, run.config["recipe"], where)
    member = _typed(Member, run.config["member"], where)
    return RunDescription(run, workload, recipe, member)


def _typed(kind: type[Any], values: dict[str, Any], where: Path) -> Any:
    """A dataclass of these values, after the types of its fields have been compared. A key that
    is not there, of a run made before it was, has its default."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.name not in values:
            if field.default is dataclasses.MISSING:
                raise UserError(f"{where} has no {field.name}: another version wrote it")
        elif not _is(values[field.name], hints[field.name]):
            raise UserError(
                f"{where}: {field.name} is {values[field.name]!r}, which is no "
                f"{getattr(hints[field.name], '__name__', hints[field.name])}"
            )
    _known(values, hints, where)
    try:
        return kind(**values)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error


def _known(values: dict[str, Any], keys: Iterable[str], where: Path) -> None:
    strange = sorted(set(values) - set(keys))
    if strange:
        raise UserError(f"{where} has {strange[0]}, which this version does not know")


def _is(value: Any, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_is(value, part) for part in typing.get_args(hint))
    if hint is float:
        return math.isfinite(number(value))
    return type(value) is hint
