"""What images add to tables, plots and reports."""

from vision.metrics import (
    DISTANCE,
    FIT_ACCURACY,
    TEST_ACCURACY,
    TRAIN_ACCURACY,
)
from workload.report import Curve, Report

REPORT = Report(
    title="Images",
    task="image set",
    tasks="image sets",
    length="epochs",
    scores=(TEST_ACCURACY,),
    others=(TRAIN_ACCURACY, FIT_ACCURACY, DISTANCE),
    curves=(Curve("training", TRAIN_ACCURACY, between=True), Curve("test", TEST_ACCURACY)),
    defaults="the paper's",
)
