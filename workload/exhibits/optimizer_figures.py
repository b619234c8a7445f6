"""The inside of the optimizer: quantiles of ln |m/w| (Figures 7 and 9) and weight norms (11)."""

import math
from typing import TYPE_CHECKING

import numpy as np

from shared_optim.figures import BANDS, QUANTILE_KEYS, WEIGHT_NORM
from shared_optim.schemes import SCHEMES
from workload.exhibits.document import Picture
from workload.exhibits.drawing import (
    BAND_NOTE,
    COLUMNS,
    draw_mean,
    in_steps,
    label_edges,
    legend,
    legend_lines,
    panels,
    picture,
    row_style,
    scheme_title,
    titles,
    variant_handles,
    variants,
)
from workload.exhibits.grid import SCHEDULE, RecordGrid, Row, panel_rows
from workload.exhibits.series import Curves, by_step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FLAT = 1.05  # highest over lowest weight norm
LABELLED_RANGE = 100.0  # a wider range has labels at powers of ten alone


def quantile_figure(grid: RecordGrid, task: str, name: str) -> Picture | None:
    """Bands of ln |m/w| over steps, a panel per scheme and lambda; None without a row."""
    rows = [(row, found) for row in grid.rows_of(task) if (found := _quantiles(grid, row, task))]
    if not rows:
        return None
    columns = min(COLUMNS, len(rows))
    broken, title_lines = titles([row.label(grid.keys) for row, _ in rows], columns)
    figure, axes = panels(
        math.ceil(len(rows) / columns),
        columns,
        1.15,
        lines=0,
        title_lines=title_lines,
        sharex=True,
        sharey=True,
    )
    for panel, (row, found), title in zip(axes, rows, broken, strict=False):
        _draw_bands(panel, grid, row, found)
        scheme_title(panel, title, row.scheme)
        in_steps(panel, grid.step)
    label_edges(axes, len(rows), columns, "ln |m/w|")
    decays = [row for row, _ in rows if _is_decay_alone(grid, row)]
    caption = (
        f"{task}: |m/w| of all weights over {grid.step.replace('_', ' ')}, median over seeds of "
        "each quantile. Line: median; bands from dark to light: 25-75, 5-95 and 1-99 %."
    )
    if decays:
        caption += " Dotted: m = lambda w, where the first moment is the decay and nothing else."
    return picture(name, f"{task}: |m/w|", caption, figure)


def norm_figure(grid: RecordGrid, name: str) -> Picture | None:
    """Weight norm over steps: a line of panels per game or corpus; None without a row."""
    from matplotlib.ticker import LogLocator, NullFormatter

    lines = [
        (task, panel_rows(grid, task))
        for task in grid.tasks
        if any(by_step(grid.at(row, task), WEIGHT_NORM.key) for row in grid.rows_of(task))
    ]
    if not lines:
        return None
    most = max(len(by_panel) for _, by_panel in lines)
    columns = min(COLUMNS, most)
    size = math.ceil(most / columns) * columns  # of a task's panels
    used = [row for row in grid.rows if any(grid.at(row, task) for task, _ in lines)]
    handles = variant_handles(grid, used)
    labels = [f"{task}: {scheme}" for task, by_panel in lines for scheme, _ in by_panel]
    broken, title_lines = titles(labels, columns)
    title_of = dict(zip(labels, broken, strict=True))
    figure, axes = panels(
        *(len(lines) * size // columns, columns, 1.05 if len(lines) * size > columns else 1.9),
        lines=legend_lines(handles),
        title_lines=title_lines,
        sharex=True,
        sharey="row",
    )
    styles = variants(grid)
    for line, (task, by_panel) in enumerate(lines):
        own = axes[line * size : (line + 1) * size]
        for panel, (scheme, rows) in zip(own, by_panel, strict=False):
            for row in rows:
                curves = by_step(grid.at(row, task), WEIGHT_NORM.key)
                if curves is not None:
                    draw_mean(panel, curves, row_style(row, styles))
            panel.set_yscale("log")
            panel.yaxis.set_major_formatter(lambda norm, _: _short(norm))
            panel.yaxis.set_minor_formatter(NullFormatter())
            in_steps(panel, grid.step)
            title = title_of[f"{task}: {scheme}"]
            scheme_title(panel, title, scheme, "bold")
        label_edges(own, len(by_panel), columns, "weight norm")
        if line < len(lines) - 1:
            for panel in own:
                panel.set_xlabel("")
                panel.tick_params(labelbottom=False)
        limits = [panel.get_ylim() for panel in own[::columns]]
        low, high = min(low for low, _ in limits), max(high for _, high in limits)
        if high < FLAT * low:  # what hardly moves shall look so, with labels of few digits
            low, high = low / FLAT, high * FLAT
        several = (1, 2, 5) if high < LABELLED_RANGE * low else (1,)
        for panel in own[::columns]:
            panel.set_ylim(low, high)
            panel.yaxis.set_major_locator(LogLocator(subs=several))
    legend(figure, handles)
    caption = f"2-norm of all weights, logarithmic. {BAND_NOTE}"
    return picture(name, "Weight norms", caption, figure)


def _short(norm: float) -> str:
    """A tick's label that fits beside a panel: 20, 0.5, 1e-4."""
    return f"{norm:g}" if norm >= 0.01 else f"{norm:.0e}".replace("e-0", "e-")


def _quantiles(grid: RecordGrid, row: Row, task: str) -> dict[str, Curves] | None:
    found = {name: by_step(grid.at(row, task), key) for name, key in QUANTILE_KEYS.items()}
    complete = {name: curves for name, curves in found.items() if curves is not None}
    return complete if len(complete) == len(QUANTILE_KEYS) else None


def _draw_bands(panel: "Axes", grid: RecordGrid, row: Row, found: dict[str, Curves]) -> None:
    colour = SCHEMES[row.scheme].colour
    middle = {name: np.nanmedian(curves.y, axis=0) for name, curves in found.items()}
    steps = found["q50"].x
    single = len(steps) == 1
    for low, high, alpha in BANDS:
        if single:
            panel.vlines(steps, middle[low], middle[high], color=colour, alpha=alpha, linewidth=6)
        else:
            panel.fill_between(
                steps, middle[low], middle[high], color=colour, alpha=alpha, linewidth=0
            )
    panel.plot(steps, middle["q50"], color=colour, marker="o" if single else None)
    if _is_decay_alone(grid, row):
        panel.axhline(math.log(row.weight_decay), color="black", linewidth=0.9, linestyle=":")


def _is_decay_alone(grid: RecordGrid, row: Row) -> bool:
    """Whether m holds the decay in every update, so that it can come down to lambda w."""
    schedules = {
        run.values.get(SCHEDULE, "always") for task in grid.tasks for run in grid.at(row, task)
    }
    return SCHEMES[row.scheme].in_gradient and schedules == {"always"}
