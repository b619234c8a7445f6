"""The exhibits of a workload that lists none: what every workload's runs can show."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workload.exhibits.curves import curve_figure
from workload.exhibits.grid import RecordGrid
from workload.exhibits.lambda_sweep import lambda_sweep
from workload.exhibits.optimizer_figures import norm_figure, quantile_figure
from workload.exhibits.score_table import plain_score_table
from workload.exhibits.smallest_difference import smallest_difference
from workload.exhibits.tuning import tuning_table

if TYPE_CHECKING:
    from workload.report import Exhibit


def exhibits(grid: RecordGrid, workload: str) -> "Sequence[Exhibit]":
    """A table per score, the smallest difference, score against lambda, curves, the optimizer.

    Args:
        grid: the runs.
        workload: the workload's name; files are named after it.
    """
    report = grid.report

    def name(kind: str, key: str, task: str = "") -> str:
        parts = [workload, kind, key.replace("/", "_"), grid.file_name(task) if task else ""]
        return "_".join(filter(None, parts))

    return [
        *(plain_score_table(grid, score, name("scores", score.key)) for score in report.scores),
        *(
            smallest_difference(
                grid,
                score,
                name("smallest_difference", score.key),
                decimals=score.decimals,
            )
            for score in report.scores
        ),
        *(
            tuning_table(grid, score, name("tuning", score.key), decimals=score.decimals)
            for score in report.scores
            if score.better
        ),
        *(lambda_sweep(grid, score, name("stability", score.key)) for score in report.scores),
        *(
            curve_figure(
                *(grid, task, curve.metric, curve.metric.label),
                name("curve", curve.metric.key, task),
                between=curve.between,
            )
            for curve in report.curves
            for task in grid.tasks
        ),
        *(quantile_figure(grid, task, name("quantiles", "", task)) for task in grid.tasks),
        norm_figure(grid, name("weight_norm", "")),
    ]
