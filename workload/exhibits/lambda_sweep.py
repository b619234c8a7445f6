"""Hyper-parameter stability: score against lambda, a line per scheme."""

import math
from typing import TYPE_CHECKING

from shared_optim.metric import Metric
from shared_optim.schemes import BASELINE, SCHEMES, order
from workload.exhibits.document import Picture
from workload.exhibits.drawing import (
    COLUMNS,
    GREY,
    LAMBDA,
    STYLES,
    Style,
    label_edges,
    legend,
    legend_lines,
    panels,
    picture,
    scheme_style,
    titles,
)
from workload.exhibits.grid import RecordGrid, Row, settings
from workload.exhibits.score_table import PublishedScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def lambda_sweep(
    grid: RecordGrid,
    metric: Metric,
    name: str,
    *,
    label: str = "",
    published: PublishedScores | None = None,
) -> Picture | None:
    """Mean score over lambda, a line per scheme, `none` as a level; None without a score.

    Args:
        grid: the runs.
        metric: one of the report's scores.
        name: of the files.
        label: of the y axis; the metric's where nothing is said.
        published: whose numbers stand beside ours, hollow.
    """
    from matplotlib.lines import Line2D

    key, label = metric.key, label or metric.label
    tasks = [
        task for task in grid.tasks if any(grid.summary(row, task, key).scores for row in grid.rows)
    ]
    if not tasks:
        return None
    handles = [
        Line2D([], [], label=_label(grid, *line), **_line_style(grid, *line))
        for line in _lines(grid)
    ]
    beside = published is not None and any(
        published.believable(grid, row, task) is not None
        for row in grid.rows
        if row.weight_decay
        for task in tasks
    )
    if beside:
        handles.append(Line2D([], [], label="the paper's", **_hollow(), color=GREY))
    columns = min(COLUMNS, len(tasks))
    height = 1.35 if len(tasks) > 1 else 2.2
    rows_of_panels = math.ceil(len(tasks) / columns)
    lines = legend_lines(handles)
    broken, title_lines = titles(tasks, columns)
    figure, axes = panels(
        *(rows_of_panels, columns, height),
        gap=0.5,
        lines=lines,
        title_lines=title_lines,
        sharex=True,
    )
    for panel, task, title in zip(axes, tasks, broken, strict=False):
        for line, rows in _lines(grid).items():
            style = _line_style(grid, *line)
            if line[0] == BASELINE:
                _draw_level(panel, grid, rows[0], task, key, style)
                continue
            _draw_line(panel, grid, rows, task, key, style)
            if published is not None and beside:
                _draw_published(panel, grid, rows, task, published)
        panel.set_title(title)
        panel.set_xlabel(LAMBDA)
        panel.margins(x=0.08)
        panel.autoscale(axis="y")  # a level alone, within 0 and 1, would not count
    _lambda_axis(grid, axes[0])
    label_edges(axes, len(tasks), columns, label)
    legend(figure, handles)
    caption = (
        f"{label[0].upper()}{label[1:]} against lambda: mean over seeds, bars of one sample "
        "standard deviation. The level and its band are none's. A flat line is a scheme whose "
        "lambda need not be tuned."
    )
    if published is not None and beside:
        caption += f" Hollow: {published.source}."
    return picture(name, "Score against lambda", caption, figure)


def _lambda_axis(grid: RecordGrid, axes: "Axes") -> None:
    """Logarithmic, with labels at powers of ten, or at the lambdas where they span too few."""
    from matplotlib.ticker import FixedFormatter, FixedLocator

    texts = {row.weight_decay: row.decay for row in grid.rows if row.weight_decay}
    if not texts:
        return
    decays = sorted(texts)
    axes.set_xscale("log")
    axes.set_xlim(decays[0] / 2, decays[-1] * 2)
    axes.minorticks_off()
    if decays[-1] < 10 * decays[0]:
        axes.xaxis.set_major_locator(FixedLocator(decays))
        axes.xaxis.set_major_formatter(FixedFormatter([texts[decay] for decay in decays]))
    else:
        axes.xaxis.set_major_formatter(lambda decay, _: f"1e{round(math.log10(decay))}")


def _lines(grid: RecordGrid) -> dict[tuple[str, tuple[str, ...]], list[Row]]:
    """The rows of each line: one scheme, equal in all but lambda, by lambda."""
    found: dict[tuple[str, tuple[str, ...]], list[Row]] = {}
    for row in sorted(grid.rows, key=lambda row: (order(row.scheme), row.extras)):
        found.setdefault((row.scheme, row.extras), []).append(row)
    return {line: sorted(rows, key=lambda row: row.weight_decay) for line, rows in found.items()}


def _label(grid: RecordGrid, scheme: str, extras: tuple[str, ...]) -> str:
    return " ".join([scheme, *settings(grid.keys, extras)])


def _line_style(grid: RecordGrid, scheme: str, extras: tuple[str, ...]) -> Style:
    """By scheme; where lines differ in more than that, the line style tells the rest apart."""
    several = sorted({row.extras for row in grid.rows})
    style = scheme_style(scheme)
    if len(several) > 1:
        style["linestyle"] = STYLES[several.index(extras) % len(STYLES)]
    return style


def _draw_line(
    panel: "Axes", grid: RecordGrid, rows: list[Row], task: str, key: str, style: Style
) -> None:
    found = [(row.weight_decay, grid.summary(row, task, key)) for row in rows]
    points = [(decay, s.mean, s.deviation or 0.0) for decay, s in found if s.mean is not None]
    if points:
        decays, means, deviations = zip(*points, strict=True)
        panel.errorbar(decays, means, deviations, capsize=2, elinewidth=0.8, **style)


def _draw_level(
    panel: "Axes", grid: RecordGrid, row: Row, task: str, key: str, style: Style
) -> None:
    summary = grid.summary(row, task, key)
    if summary.mean is None:
        return
    panel.axhline(summary.mean, **{**style, "marker": None})
    if summary.deviation:
        low, high = summary.mean - summary.deviation, summary.mean + summary.deviation
        panel.axhspan(low, high, color=style["color"], alpha=0.1, linewidth=0)


def _draw_published(
    panel: "Axes", grid: RecordGrid, rows: list[Row], task: str, published: PublishedScores
) -> None:
    """The paper's means at the same lambdas."""
    found = [(row.weight_decay, published.believable(grid, row, task)) for row in rows]
    points = [(decay, score) for decay, score in found if score is not None]
    if points:
        panel.plot(
            *zip(*points, strict=True), color=SCHEMES[rows[0].scheme].colour, zorder=1, **_hollow()
        )


def _hollow() -> Style:
    return {
        "linestyle": "none",
        "marker": "o",
        "fillstyle": "none",
        "markersize": 5,
        "markeredgewidth": 0.7,
    }
