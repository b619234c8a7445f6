"""Learning curves of a task, a panel per scheme."""

import math
from collections.abc import Mapping, Sequence

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
from workload.exhibits.grid import RecordGrid, panel_rows
from workload.exhibits.series import by_round, by_step

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
    between: bool = False,
) -> Picture | None:
    """A metric over steps, of evaluation rows; None where no run has a value yet.

    Args:
        grid: the runs.
        task: the column.
        metric: what is drawn.
        what: the same in words, e.g. `training return`.
        name: of the files.
        label: of the y axis; the metric's unit where nothing is said.
        points: published ones, by whose they are, drawn as open markers.
        note: last sentence of the caption.
        between: whether rows during training are drawn where evaluations have no value.
    """
    from matplotlib.lines import Line2D

    key, step, points = metric.key, grid.step, points or {}
    by_panel = panel_rows(grid, task)
    rows = [row for _, own in by_panel for row in own]
    curves = {row: by_round(grid.at(row, task), key, step) for row in rows}
    during = between and not any(curves.values())
    if during:
        curves = {row: by_step(grid.at(row, task), key) for row in rows}
    if not any(curves.values()):
        return None
    handles, styles = variant_handles(grid, rows), variants(grid)
    diverged = any(run.diverged for row in grid.rows for run in grid.at(row, task))
    if diverged:
        handles.append(Line2D([], [], label="diverged", **DIVERGED))
    published = [
        Line2D([], [], label=whose, **_open(marker))
        for whose, marker in zip(points, OPEN_MARKERS, strict=False)
    ]
    lines, columns = legend_lines(handles), min(COLUMNS, len(by_panel))
    figure, axes = panels(
        *(math.ceil(len(by_panel) / columns), columns, 1.9),
        lines=lines + (legend_lines(published) if published else 0),
        sharex=True,
        sharey=True,
    )
    for panel, (scheme, own) in zip(axes, by_panel, strict=False):
        for row in own:
            if drawn := curves[row]:
                draw_mean(panel, drawn, row_style(row, styles))
            for run in grid.at(row, task):
                if run.diverged:
                    values = (run.metrics if during else run.evaluations)[key]
                    draw_cross(panel, run.diverged_at, values)
        for of_one, marker in zip(points.values(), OPEN_MARKERS, strict=False):
            panel.plot(*zip(*of_one, strict=True), **_open(marker))
        scheme_title(panel, scheme, scheme, "bold")
        in_steps(panel, step)
    label_edges(axes, len(by_panel), columns, label or metric.unit)
    if published:
        legend(figure, published, above=lines)
    legend(figure, handles)
    over = step.replace("_", " ")
    caption = f"{task}: {what} over {over}, a panel per scheme. {BAND_NOTE}"
    caption += (CROSS_NOTE if diverged else "") + note
    return picture(name, f"{task}: {what}", caption, figure)


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
