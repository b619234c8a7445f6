"""What images add to tables, plots and reports."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vision.metrics import (
    ALONG,
    AVERAGED_ACCURACY,
    COS_NEG,
    COS_POS,
    CROSS,
    DISTANCE,
    FIT_ACCURACY,
    GRADIENT_NORM,
    RAW_CROSS,
    RAW_SQUARE,
    SQUARE,
    TEST_ACCURACY,
    TRAIN_ACCURACY,
    TRAIN_LOSS,
    WEIGHT_NORM,
)
from workload.report import Curve, Report

if TYPE_CHECKING:
    from workload.exhibits.grid import RecordGrid
    from workload.report import Exhibit, LeaveOut


def exhibits(grid: "RecordGrid", leave_out: "LeaveOut") -> "Sequence[Exhibit]":
    """Verdicts, tables, then figures, in the order of the report."""
    from vision.exhibits.curves import curve_figure
    from vision.exhibits.figures import published_figures, sharpness_along
    from vision.exhibits.points import branches_figure, rates_figure
    from vision.exhibits.sharpness_figure import sharpness_figure, sharpness_table
    from vision.workload import WORKLOAD
    from workload.claims import claims_table, verdicts
    from workload.exhibits.optimizer_figures import quantile_figure
    from workload.exhibits.score_table import plain_score_table
    from workload.exhibits.smallest_difference import smallest_difference
    from workload.exhibits.tuning import tuning_table

    tasks, name = grid.tasks, grid.file_name
    return [
        claims_table(verdicts(WORKLOAD, [grid]), "claims_images"),
        plain_score_table(grid, TEST_ACCURACY, "test_accuracy"),
        smallest_difference(grid, TEST_ACCURACY, "smallest_difference_images", decimals=2),
        tuning_table(grid, TEST_ACCURACY, "tuning_images", decimals=TEST_ACCURACY.decimals),
        *(sharpness_table(grid, task, f"sharpness_{name(task)}") for task in tasks),
        *(curve_figure(grid, each) for each in published_figures("batch")),
        *(sharpness_figure(grid, task, f"figure2_{name(task)}") for task in tasks),
        *(curve_figure(grid, each) for each in published_figures("none")),
        curve_figure(grid, sharpness_along()),
        *(rates_figure(grid, task, f"rates_{name(task)}") for task in tasks),
        *(branches_figure(grid, task, f"branches_{name(task)}") for task in tasks),
        *(quantile_figure(grid, task, f"quantiles_{name(task)}") for task in tasks),
    ]


def claims(grid: "RecordGrid") -> "Mapping[str, Mapping[str, Sequence[float]]]":
    """What runs say of the claims in configs/claims/vision.yaml."""
    from vision.exhibits.claims import claim_numbers

    return claim_numbers(grid)


REPORT = Report(
    title="Images",
    task="data set",
    tasks="data sets",
    scores=(TEST_ACCURACY,),
    others=(AVERAGED_ACCURACY, TRAIN_ACCURACY, FIT_ACCURACY, DISTANCE),
    curves=(Curve("training", TRAIN_ACCURACY, between=True), Curve("test", TEST_ACCURACY)),
    drawn=(
        *ALONG,
        TRAIN_LOSS,
        WEIGHT_NORM,
        SQUARE,
        CROSS,
        RAW_SQUARE,
        RAW_CROSS,
        COS_POS,
        COS_NEG,
        GRADIENT_NORM,
    ),
    defaults="the paper's",
    exhibits=exhibits,
    claims=claims,
)
