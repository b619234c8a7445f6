"""Curves over epochs or updates: a row of panels per metric, a column per image set."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shared_optim.metric import Metric
from vision.exhibits.variants import Variant, styles, variants
from workload.exhibits.document import Picture
from workload.exhibits.drawing import (
    BAND_NOTE,
    CROSS_NOTE,
    DIVERGED,
    LEFT,
    draw_cross,
    draw_mean,
    in_steps,
    legend,
    legend_lines,
    panels,
    picture,
)
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record
from workload.exhibits.series import Curves, by_round, by_step

LABEL, LABEL_LINE = 22, 0.12  # characters of a line beside a panel, and its inches


@dataclass(frozen=True)
class CurveFigure:
    """A figure of the paper.

    Attributes:
        name: of its files.
        title: in a few words.
        text: the caption's first sentence.
        metrics: a row of panels each.
        keep: which runs it shows.
        about: for which of these it is drawn; where there are none it is left out.
        rows: of evaluations, or of metrics between them.
    """

    name: str
    title: str
    text: str
    metrics: tuple[Metric, ...]
    keep: Callable[[Record], bool]
    about: Callable[[Record], bool] = lambda record: True
    rows: Literal["evaluations", "metrics"] = "evaluations"


def curve_figure(grid: RecordGrid, spec: CurveFigure) -> Picture | None:
    """The figure; None where no run has a value, or it is about none of them."""
    from matplotlib.lines import Line2D

    by_task = {task: variants(grid, task, spec.keep) for task in grid.tasks}
    by_task = {
        task: own
        for task, own in by_task.items()
        if any(spec.about(record) for variant in own for record in variant.records)
        and any(_curves(variant, spec, metric) for variant in own for metric in spec.metrics)
    }
    if not by_task:
        return None
    drawn = styles(list({v.label: v for own in by_task.values() for v in own}.values()))
    handles = [Line2D([], [], label=label, **style) for label, style in drawn.items()]
    diverged = any(r.diverged for own in by_task.values() for v in own for r in v.records)
    if diverged:
        handles.append(Line2D([], [], label="diverged", **DIVERGED))
    units = {metric: textwrap.wrap(metric.unit, LABEL) for metric in spec.metrics}
    figure, axes = panels(
        len(spec.metrics),
        len(by_task),
        1.7 if len(spec.metrics) == 1 else 1.45,
        gap=0.5,
        lines=legend_lines(handles),
        left=LEFT + LABEL_LINE * max(map(len, units.values())),
        sharex="col",
    )
    places = iter(axes)
    for row, metric in enumerate(spec.metrics):
        for column, (task, own) in enumerate(by_task.items()):
            panel = next(places)
            for variant in own:
                curves = _curves(variant, spec, metric)
                if curves is not None:
                    draw_mean(panel, curves, drawn[variant.label], label=variant.label)
                for record in variant.records:
                    if record.diverged:
                        rows = getattr(record, spec.rows)
                        draw_cross(panel, record.diverged_at, rows[metric.key])
            if row == 0:
                panel.set_title(task)
            if column == 0:
                panel.set_ylabel("\n".join(units[metric]))
            in_steps(panel, grid.epoch_key if spec.rows == "evaluations" else grid.step)
            if row < len(spec.metrics) - 1:
                panel.set_xlabel("")
    legend(figure, handles)
    caption = f"{spec.text} {BAND_NOTE}" + (CROSS_NOTE if diverged else "")
    return picture(spec.name, spec.title, caption, figure)


def _curves(variant: Variant, spec: CurveFigure, metric: Metric) -> Curves | None:
    records = variant.records
    if spec.rows == "metrics":
        return by_step(records, metric.key)
    found = by_round(records, metric.key, records[0].epoch_key)
    return found if found is None or np.isfinite(found.y).any() else None
