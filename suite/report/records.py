"""What a report needs of a run, read once and kept small; and which runs can be read."""

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from suite.registry import Workload
from suite.report.rows import Columns, columns, evaluation_rows, number, sampled_columns
from suite.run_directory import Run
from suite.run_log import EVALUATIONS, METRICS
from workload.errors import UserError
from workload.identity import canonical
from workload.member import Member

CONFIG = ("format", "workload", "recipe", "member")
QUANTILES = ("q01", "q05", "q25", "q50", "q75", "q95", "q99")
QUANTILE_KEY = "optim/log_m_over_w/"
NORM_KEY = "optim/weight_norm"
INSIDE = (NORM_KEY, *(QUANTILE_KEY + name for name in QUANTILES))


@dataclass(frozen=True)
class Record:
    """A run as tables and figures see it.

    Attributes:
        run: its directory and configuration.
        workload: rl or nlp.
        recipe, member: the configuration as typed values.
        status: `finished`, `diverged`, `failed` or `unfinished`.
        scores: the run's value per key of the workload's SCORES; empty unless finished.
        stands_in: whether the score is of training, because the recipe evaluates nothing.
        signatures: how scores were counted, by key.
        evaluations: rows at the end of an iteration or epoch: its number, the step, curves.
        metrics: rows during training, thinned out: the step, the optimizer's inside.
        diverged_at: step of the row that says so.
    """

    run: Run
    workload: Workload
    recipe: Any
    member: Member
    status: str
    scores: dict[str, float]
    stands_in: bool
    signatures: dict[str, str]
    evaluations: Columns
    metrics: Columns
    diverged_at: float | None

    @property
    def finished(self) -> bool:
        """Whether tables count it."""
        return self.status == "finished" and bool(self.scores)

    @property
    def decay(self) -> str:
        """lambda as paths show it, e.g. `1e-4`; `-` without decay."""
        scheme, _, decay = self.member.name.partition("-")
        return decay if scheme == self.member.scheme and decay else "-"


def find(paths: Sequence[Path], leave_out: Callable[[str], None]) -> list[Run]:
    """The runs at and below these paths, ordered by path, each once.

    Raises:
        UserError: a path has no run at or below it, or no run is of this version.
    """
    found: dict[Path, Run] = {}
    for path in paths:
        single = path / "config.json"
        configs = [single] if single.exists() else sorted(path.rglob("config.json"))
        if not configs:
            raise UserError(
                f"{path} is no run directory and has none below it; "
                "run directories look like runs/rl/Pong/*/* and runs/nlp/iwslt14/*/*"
            )
        for config in configs:
            try:
                found[config.parent.resolve()] = Run.at(config.parent)
            except UserError as error:
                leave_out(f"left out: {error}")
    if not found:
        raise UserError("nothing to report: this version can read none of the runs")
    return [found[path] for path in sorted(found)]


def read(runs: Sequence[Run], last: int, leave_out: Callable[[str], None]) -> list[Record]:
    """The records of the runs that can be read; the others are named and left out.

    Of two directories with the same configuration, a finished one is kept.

    Raises:
        UserError: none can be read.
    """
    records: dict[str, Record] = {}
    for run in runs:
        try:
            record = read_record(run, last)
        except (UserError, OSError) as error:
            leave_out(f"left out: {error}")
            continue
        identity = canonical(run.config)
        twin = records.get(identity)
        if twin is not None:
            worse, better = (
                (twin, record) if record.finished and not twin.finished else (record, twin)
            )
            leave_out(f"left out: {worse.run.path} is the same run as {better.run.path}")
            record = better
        records[identity] = record
    if not records:
        raise UserError("nothing to report: no run could be read")
    return list(records.values())


def read_record(run: Run, last: int) -> Record:
    """Read one run.

    Args:
        run: its directory.
        last: newest evaluations whose mean is the score of a workload that is scored by a mean.

    Raises:
        UserError: its configuration, its final record or a row is damaged.
    """
    workload = _workload(run)
    _known(run.config, CONFIG, run)
    recipe = _typed(workload.Recipe, run.config["recipe"], run)
    member = _typed(workload.Member, run.config["member"], run)
    rows = evaluation_rows(run.path / EVALUATIONS, workload.STEP)
    inside, diverged_at = sampled_columns(run.path / METRICS, workload.STEP, INSIDE)
    status = "diverged" if diverged_at is not None else _status(run)
    kept = [workload.ROUND, workload.STEP, *(panel.evaluation for panel in workload.PANELS)]
    finished = status == "finished"
    return Record(
        run=run,
        workload=workload,
        recipe=recipe,
        member=member,
        status=status,
        scores=_scores(workload, recipe, rows, last) if finished else {},
        stands_in=workload.NAME == "rl" and not recipe.evaluation_steps,
        signatures=_signatures(rows),
        evaluations=columns(rows, kept),
        metrics=inside,
        diverged_at=None if diverged_at is None else float(diverged_at),
    )


def _workload(run: Run) -> Workload:
    try:
        return run.workload
    except UserError as error:
        raise UserError(f"{run.path / 'config.json'}: {error}") from error


def _scores(
    workload: Workload, recipe: Any, rows: Sequence[dict[str, Any]], last: int
) -> dict[str, float]:
    """RL: the mean of the last evaluations. Translation: the newest row of the test set."""
    if workload.NAME == "rl":
        score = workload.SCORES[0]
        key = score.key if recipe.evaluation_steps else score.otherwise or score.key
        values = columns(rows[-last:], [key])[key]
        values = values[np.isfinite(values)]
        return {score.key: float(values.mean())} if len(values) else {}
    keys = [score.key for score in workload.SCORES if score.key.startswith("test/")]
    for row in reversed(rows):
        found = {key: number(row.get(key)) for key in keys}
        if np.isfinite(list(found.values())).all():
            return found
    return {}


def _signatures(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    texts = {
        key: printable(value)
        for row in rows
        for key, value in row.items()
        if "signature" in key and isinstance(value, str)
    }
    return dict(sorted(texts.items()))


def printable(text: str) -> str:
    """Text from a run's files, `?` for what neither a font nor a file can show."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _status(run: Run) -> str:
    done = run.done()
    if done is not None and done.get("status") not in ("finished", "diverged"):
        raise UserError(
            f"{run.path / 'done.json'} is damaged: its status is {done.get('status')!r}; "
            "allowed are finished and diverged"
        )
    return run.status()


def _typed(kind: type[Any], values: dict[str, Any], run: Run) -> Any:
    """A dataclass of these values, after the types of its fields have been compared."""
    where = run.path / "config.json"
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.name not in values:
            raise UserError(f"{where} has no {field.name}: another version wrote it")
        if not _is(values[field.name], hints[field.name]):
            raise UserError(
                f"{where}: {field.name} is {values[field.name]!r}, which is no "
                f"{getattr(hints[field.name], '__name__', hints[field.name])}"
            )
    _known(values, hints, run)
    try:
        return kind(**values)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error


def _known(values: dict[str, Any], keys: Iterable[str], run: Run) -> None:
    strange = sorted(set(values) - set(keys))
    if strange:
        where = run.path / "config.json"
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
