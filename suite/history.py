"""What a run has logged so far, as columns for tables and figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from suite.run_directory import Run
from suite.run_log import EVALUATIONS, METRICS, read_rows
from workload.errors import UserError
from workload.output import warn

Row = dict[str, Any]


@dataclass(frozen=True)
class History:
    """A run's rows: `metrics` while it trains, `evaluations` one per iteration or epoch.

    `diverged_at` is the step of the row that says so; the run's population may be training
    on, so that there is no final record yet.
    """

    run: Run
    status: str
    metrics: list[Row]
    evaluations: list[Row]
    diverged_at: int | None

    @classmethod
    def of(cls, run: Run) -> "History":
        step = run.workload.STEP
        metrics = read_rows(run.path / METRICS, step)
        places = [row[step] for row in metrics if row.get("diverged")]
        return cls(
            run=run,
            status="diverged" if places else run.status(),
            metrics=metrics,
            evaluations=read_rows(run.path / EVALUATIONS, step),
            diverged_at=places[-1] if places else None,
        )

    @property
    def member(self) -> dict[str, Any]:
        """Scheme, weight_decay and seed."""
        member: dict[str, Any] = self.run.config["member"]
        return member

    def column(self, rows: list[Row], key: str) -> tuple[list[float], list[float]]:
        """Steps and values of a key, of the rows that have a number there."""
        step = self.run.workload.STEP
        pairs = [(row[step], row[key]) for row in rows if isinstance(row.get(key), int | float)]
        return [steps for steps, _ in pairs], [value for _, value in pairs]


def read_histories(runs: Sequence[Run]) -> list[History]:
    """The histories that can be read; the others are named on stderr and left out.

    Raises:
        UserError: none can be read.
    """
    histories, errors = [], []
    for run in runs:
        try:
            histories.append(History.of(run))
        except UserError as error:
            errors.append(str(error))
    if not histories:
        raise UserError("; ".join(errors))
    for reason in errors:
        warn(f"left out: {reason}")
    return histories


def by_workload(histories: Sequence[History]) -> list[list[History]]:
    """The histories of each workload: their rows have nothing in common to be shown over."""
    groups: dict[str, list[History]] = {}
    for history in histories:
        groups.setdefault(history.run.workload.NAME, []).append(history)
    return list(groups.values())


def last(rows: list[Row], key: str) -> float | None:
    """The newest number under a key; None where there is none."""
    values = (row[key] for row in reversed(rows) if isinstance(row.get(key), int | float))
    return next(values, None)
