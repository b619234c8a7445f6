"""What the suite needs to know of the toy. Importing it imports no torch."""

from dataclasses import dataclass
from typing import Literal

from shared_optim.figures import WEIGHT_NORM
from shared_optim.metric import Metric
from workload.contract import Workload
from workload.recipe import MachineBase, OptimizerRecipe
from workload.report import Curve, Report

LOSS = Metric("train/loss", "loss", "half the mean squared error", 4, "lower")
DISTANCE = Metric("eval/distance", "distance", "2-norm of w - w_true", 3, "lower")


@dataclass(frozen=True)
class Recipe(OptimizerRecipe):
    """Least squares on generated examples, all of them in every update.

    Args:
        data: `few` examples, 10 for 8 weights, or `many`, 100.
        epochs: of a hundred updates and an evaluation.
    """

    data: Literal["few", "many"] = "few"
    epochs: int = 3
    learning_rate: float = 0.05


def norm_against_distance(grid):
    """Whether small weights are near the truth, a point per finished run."""
    from workload.exhibits.drawing import legend, panels, picture, scheme_handles, scheme_style

    figure, (axes,) = panels(1, 1, 2.2)
    for (row, _), runs in grid.runs.items():
        for run in (run for run in runs if run.scores):
            style = scheme_style(row.scheme) | {"marker": "o"}
            axes.plot(run.newest[WEIGHT_NORM.key], run.scores[DISTANCE.key], **style)
    axes.set(xlabel=WEIGHT_NORM.unit, ylabel=DISTANCE.unit)
    legend(figure, scheme_handles(grid.rows))
    return picture("toy_norm", "Norm and distance", "A point per run.", figure)


def exhibits(grid, leave_out):
    from workload.exhibits import generic

    return [*generic.exhibits(grid, "toy"), norm_against_distance(grid)]


class Toy(Workload[Recipe, MachineBase]):
    NAME, TITLE = "toy", "Least squares, as an example of a workload."
    TASK_KEY, STEP_KEY, EPOCH_KEY, LENGTH_KEY = "data", "updates", "epoch", "epochs"
    Recipe, Machine = Recipe, MachineBase
    curves = (Curve("training", LOSS, between=True), Curve("evaluation", DISTANCE))
    report = Report("Least squares", (DISTANCE,), curves, others=(LOSS,), exhibits=exhibits)

    def free_keys(self, recipe):
        return ("epochs",)  # no schedule reads it

    def train(self, recipe, members, logs, machine, *, progress, stop):
        from toy.training import train

        return [train(recipe, members[0], logs[0], machine, progress, stop)]


WORKLOAD = Toy()
