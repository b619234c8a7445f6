"""What language models add to tables, plots and reports."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lm.metrics import (
    AVERAGED_LOSS,
    FIT_LOSS,
    GRADIENT_NORM,
    RATE_OVER_NORM,
    RATE_OVER_SQUARE,
    TRAIN_LOSS,
    VAL_LOSS,
    WEIGHT_NORM,
)
from workload.report import Curve, Report

if TYPE_CHECKING:
    from workload.exhibits.grid import RecordGrid
    from workload.report import Exhibit, LeaveOut


def exhibits(grid: "RecordGrid", leave_out: "LeaveOut") -> "Sequence[Exhibit]":
    """Tables, then figures, in the order of the report."""
    from lm.exhibits.drop_table import drop_table
    from lm.exhibits.loss_figures import fit_figure, loss_figure
    from lm.exhibits.precision_table import precision_table
    from lm.workload import WORKLOAD
    from workload.claims import claims_table, verdicts
    from workload.exhibits.curves import curve_figure
    from workload.exhibits.optimizer_figures import norm_figure, quantile_figure
    from workload.exhibits.score_table import plain_score_table
    from workload.exhibits.smallest_difference import smallest_difference
    from workload.exhibits.tuning import tuning_table

    tasks, name = grid.tasks, grid.file_name
    rates = ((RATE_OVER_NORM, "rate"), (RATE_OVER_SQUARE, "square"))
    return [
        claims_table(verdicts(WORKLOAD, [grid]), "claims_texts"),
        *(drop_table(grid, task, f"lm_drops_{name(task)}") for task in tasks),
        *(precision_table(grid, task, f"lm_precision_{name(task)}") for task in tasks),
        plain_score_table(grid, VAL_LOSS, "val_loss"),
        smallest_difference(grid, VAL_LOSS, "smallest_difference_texts", decimals=4),
        tuning_table(grid, VAL_LOSS, "tuning_texts", decimals=VAL_LOSS.decimals),
        *(loss_figure(grid, task, f"lm_loss_{name(task)}") for task in tasks),
        *(fit_figure(grid, task, f"lm_fit_{name(task)}") for task in tasks),
        *(
            curve_figure(
                *(grid, task, metric, metric.unit, f"lm_effective_{kind}_{name(task)}"),
                between=True,
            )
            for metric, kind in rates
            for task in tasks
        ),
        *(quantile_figure(grid, task, f"lm_quantiles_{name(task)}") for task in tasks),
        norm_figure(grid, "weight_norm_texts"),
    ]


def claims(grid: "RecordGrid") -> "Mapping[str, Mapping[str, Sequence[float]]]":
    """What runs say of the claims in configs/claims/lm.yaml."""
    from lm.exhibits.claims import claim_numbers

    return claim_numbers(grid)


REPORT = Report(
    title="Language models",
    task="text",
    tasks="texts",
    scores=(VAL_LOSS,),
    others=(FIT_LOSS, AVERAGED_LOSS, WEIGHT_NORM),
    curves=(Curve("training", TRAIN_LOSS, between=True), Curve("validation", VAL_LOSS)),
    drawn=(GRADIENT_NORM, RATE_OVER_NORM, RATE_OVER_SQUARE),
    defaults="the talk's",
    exhibits=exhibits,
    claims=claims,
)
