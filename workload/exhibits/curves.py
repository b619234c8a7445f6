"""Learning curves of a task, a panel per scheme."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from shared_optim.metric import Metric
from workload.exhibits.document import Picture
from workload.exhibits.drawing import (
    BAND_NOTE,
    COLUMNS,
    CROSS_NOTE,
    DIVERGED,
    Style,
    draw_cross,
    draw_mean,
    in_steps,
    label_edges,
    legend,
    legend_lines,
    panels,
    picture,
    row_style,
    scheme_title,
    variant_handles,
    variants,
)
from workload.exhibits.grid import RecordGrid, Row, panel_rows
from workload.exhibits.series import by_round
from workload.exhibits.wording import lambda_note

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OPEN_MARKERS = ("o", "s", "D")
Points = Mapping[str, Sequence[tuple[float, float]]]


def curve_figure(
    grid: RecordGrid,
    task: str,
    metric: Metric,
    what: str,
    name: str,
    *,
    label: str = "",
    points: Points | None = None,
    note: str = "",
) -> Picture | None:
    """A metric of evaluation rows over steps; None where no run has a value yet.

    Args:
        grid: the runs.
        task: the column.
        metric: what is drawn.
        what: the same in words, e.g. `training return`.
        name: of the files.
        label: of the y axis; the metric's unit where nothing is said.
        points: published ones, by whose they are, drawn as open markers.
        note: last sentence of the caption.
    """
    from matplotlib.lines import Line2D

    key, step, points = metric.key, grid.step, points or {}
    shown = panel_rows(grid, task)
    rows = [row for _, own in shown for row in own]
    if all(by_round(grid.at(row, task), key, step) is None for row in rows):
        return None
    handles = variant_handles(grid, rows)
    diverged = any(run.diverged for row in grid.rows for run in grid.at(row, task))
    if diverged:
        handles.append(Line2D([], [], label="diverged", **DIVERGED))
    theirs = [
        Line2D([], [], label=whose, **_open(marker))
        for whose, marker in zip(points, OPEN_MARKERS, strict=False)
    ]
    lines, columns = legend_lines(handles), min(COLUMNS, len(shown))
    figure, axes = panels(
        *(math.ceil(len(shown) / columns), columns, 1.9),
        lines=lines + (legend_lines(theirs) if theirs else 0),
        sharex=True,
        sharey=True,
    )
    for panel, (scheme, own) in zip(axes, shown, strict=False):
        _draw(panel, grid, task, key, own)
        for their_points, marker in zip(points.values(), OPEN_MARKERS, strict=False):
            panel.plot(*zip(*their_points, strict=True), **_open(marker))
        scheme_title(panel, scheme, scheme, "bold")
        in_steps(panel, step)
    label_edges(axes, len(shown), columns, label or metric.unit)
    if theirs:
        legend(figure, theirs, above=lines)
    legend(figure, handles)
    over = step.replace("_", " ")
    caption = f"{task}: {what} over {over}, a panel per scheme. {BAND_NOTE}"
    caption += (CROSS_NOTE if diverged else "") + note
    return picture(name, f"{task}: {what}", caption + lambda_note(rows), figure)


def _draw(panel: "Axes", grid: RecordGrid, task: str, key: str, rows: Sequence[Row]) -> None:
    styles = variants(grid)
    for row in rows:
        records = grid.at(row, task)
        curves = by_round(records, key, grid.step)
        if curves is not None:
            draw_mean(panel, curves, row_style(row, styles))
        for record in records:
            if record.diverged:
                draw_cross(panel, record.diverged_at, record.evaluations[key])


def _open(marker: str) -> Style:
    return {
        "linestyle": "none",
        "marker": marker,
        "fillstyle": "none",
        "color": "black",
        "markersize": 4.5,
        "markeredgewidth": 0.8,
        "zorder": 4,
    }
