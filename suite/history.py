"""What a run has logged so far, as columns for tables and figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from suite.errors import UserError
from suite.output import warn
from suite.run_directory import Run
from suite.run_log import EVALUATIONS, METRICS, read_rows

Row = dict[str, Any]


@dataclass(frozen=True)
class History:
    """A run's rows: `metrics` within iterations, `evaluations` one per iteration.

    `diverged_at` is the agent step of the row that says so; the run's population may be training
    on, so that there is no final record yet.
    """

    run: Run
    status: str
    metrics: list[Row]
    evaluations: list[Row]
    diverged_at: int | None

    @classmethod
    def of(cls, run: Run) -> "History":
        metrics = read_rows(run.path / METRICS)
        places = [row["agent_steps"] for row in metrics if row.get("diverged")]
        return cls(
            run=run,
            status="diverged" if places else run.status(),
            metrics=metrics,
            evaluations=read_rows(run.path / EVALUATIONS),
            diverged_at=places[-1] if places else None,
        )

    @property
    def member(self) -> dict[str, Any]:
        """Scheme, weight_decay and seed."""
        member: dict[str, Any] = self.run.config["member"]
        return member


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


def column(rows: list[Row], key: str) -> tuple[list[float], list[float]]:
    """Agent steps and values of a key, of the rows that have a value."""
    pairs = [(row["agent_steps"], row[key]) for row in rows if row.get(key) is not None]
    return [steps for steps, _ in pairs], [value for _, value in pairs]


def last(rows: list[Row], key: str) -> float | None:
    """The newest value of a key; None where there is none."""
    values = column(rows, key)[1]
    return values[-1] if values else None
