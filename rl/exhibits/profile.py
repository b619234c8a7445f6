"""Performance profiles: the share of runs above each threshold."""

import math

import numpy as np

from rl.exhibits.aggregates import SOURCE, Normalised, about
from rl.exhibits.statistics import performance_profile
from workload.exhibits.cells import listed
from workload.exhibits.document import Picture
from workload.exhibits.drawing import (
    label_edges,
    legend,
    legend_lines,
    panels,
    picture,
    readable,
    row_style,
    scheme_title,
    variant_handles,
    variants,
)
from workload.exhibits.grid import RecordGrid, by_scheme

COLUMNS = 3  # the label of the x axis is long
POINTS = 401
TAU = "\N{GREEK SMALL LETTER TAU}"


def profile_figure(grid: RecordGrid, normalised: Normalised) -> Picture | None:
    """Share of runs above each threshold, a panel per scheme with `none` in each; None without a
    game to go by."""
    if not normalised.games:
        return None
    rows = list(normalised.scores)
    by_panel = by_scheme(rows)
    pooled = np.concatenate(
        [game for scores in normalised.scores.values() for game in scores.values()]
    )
    low, high = readable(pooled)
    thresholds = np.linspace(low - 0.02 * (high - low), high + 0.02 * (high - low), POINTS)
    handles = variant_handles(grid, rows)
    lines, columns = legend_lines(handles), min(COLUMNS, len(by_panel))
    rows_of_panels = math.ceil(len(by_panel) / columns)
    figure, axes = panels(rows_of_panels, columns, 1.8, lines=lines, sharex=True, sharey=True)
    styles = variants(grid)
    for panel, (scheme, own) in zip(axes, by_panel, strict=False):
        for row in own:
            share = performance_profile(list(normalised.scores[row].values()), thresholds)
            first = len(panel.lines) * 11 % 60
            panel.plot(thresholds, share, markevery=(first, 60), **row_style(row, styles))
        scheme_title(panel, scheme, scheme, "bold")
        panel.set_xlabel(f"threshold {TAU} (human-normalised)")
    label_edges(axes, len(by_panel), columns, f"share of runs above {TAU}")
    legend(figure, handles)
    caption = f"Performance profiles ({SOURCE}), mean over games. {about(normalised)}"
    lacking = [
        f"{row.label(grid.keys)} ({normalised.count(row)})"
        for row in rows
        if normalised.lacks_games(row)
    ]
    if lacking:
        caption += f" Over fewer games: {listed(lacking)}."
    name = "performance_profile"
    return picture(name, "Performance profiles", caption, figure)
