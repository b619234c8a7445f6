"""Hyper-parameter stability: score against lambda per scheme, and performance profiles."""

import math
from typing import TYPE_CHECKING

import numpy as np

from suite.plot import SCHEME_COLOURS
from suite.report.aggregates import SOURCE, Normalised, over_games
from suite.report.document import Picture
from suite.report.drawing import (
    GREY,
    LAMBDA,
    STYLES,
    Style,
    legend,
    legend_lines,
    panels,
    picture,
    row_style,
    scheme_style,
    titles,
    variant_handles,
    variants,
)
from suite.report.grid import SCHEMES, Grid, Row
from suite.report.published import is_misprint
from suite.report.score_table import published_score
from suite.report.statistics import performance_profile
from suite.report.wording import lambda_note

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 4
POINTS = 401
TAU = "\N{GREEK SMALL LETTER TAU}"


def stability_figure(grid: Grid, key: str, label: str, name: str) -> Picture | None:
    """Mean score over lambda, a line per scheme, `none` as a level; None without a score.

    Args:
        grid: the runs.
        key: of the score, in the workload's SCORES.
        label: of the y axis.
        name: of the files.
    """
    from matplotlib.lines import Line2D

    subjects = [
        subject
        for subject in grid.subjects
        if any(grid.summary(row, subject, key).scores for row in grid.rows)
    ]
    if not subjects:
        return None
    handles = [
        Line2D([], [], label=_label(grid, *line), **_line_style(grid, *line))
        for line in _lines(grid)
    ]
    published = key == "eval/return" and any(
        _drawable(grid, row, subject) is not None
        for row in grid.rows
        if row.weight_decay
        for subject in subjects
    )
    if published:
        handles.append(Line2D([], [], label="the paper's", **_hollow(), color=GREY))
    columns = min(COLUMNS, len(subjects))
    height = 1.35 if len(subjects) > 1 else 2.2
    rows_of_panels = math.ceil(len(subjects) / columns)
    lines = legend_lines(handles)
    broken, title_lines = titles(subjects, columns)
    figure, axes = panels(
        *(rows_of_panels, columns, height),
        gap=0.5,
        lines=lines,
        title_lines=title_lines,
        sharex=True,
    )
    for panel, subject, title in zip(axes, subjects, broken, strict=False):
        for line, rows in _lines(grid).items():
            style = _line_style(grid, *line)
            if line[0] == "none":
                _draw_level(panel, grid, rows[0], subject, key, style)
                continue
            _draw_line(panel, grid, rows, subject, key, style)
            if published:
                _draw_published(panel, grid, rows, subject)
        panel.set_title(title)
        panel.margins(x=0.08)
        panel.autoscale(axis="y")  # a level alone, within 0 and 1, would not count
    _lambda_axis(grid, axes[0])
    for panel in axes[len(subjects) :]:
        panel.set_visible(False)
    for panel in axes[max(0, len(subjects) - columns) : len(subjects)]:
        panel.set_xlabel(LAMBDA)
        panel.tick_params(labelbottom=True)
    for panel in axes[::columns]:
        panel.set_ylabel(label)
    legend(figure, handles)
    caption = (
        f"{label[0].upper()}{label[1:]} against lambda: mean over seeds, bars of one sample "
        "standard deviation. The level and its band are none's. A flat line is a scheme whose "
        "lambda need not be tuned."
    )
    if published:
        caption += " Hollow: Table 1 of the paper, 3 seeds."
    return picture(name, "Score against lambda", caption + lambda_note(grid.rows), figure)


def profile_figure(grid: Grid, normalised: Normalised) -> Picture:
    """Share of runs above each threshold, a panel per scheme with `none` in each."""
    rows = list(normalised.scores)
    plain = [row for row in rows if row.scheme == "none"]
    decayed = [(s, [r for r in rows if r.scheme == s]) for s in SCHEMES if s != "none"]
    shown = [(s, [*plain, *own]) for s, own in decayed if own] or [("none", plain)]
    pooled = np.concatenate([game for scores in normalised.scores.values() for game in scores])
    low, high = float(min(0.0, pooled.min())), float(pooled.max())
    thresholds = np.linspace(low - 0.02 * (high - low), high + 0.02 * (high - low), POINTS)
    handles = variant_handles(grid, rows)
    lines = legend_lines(handles)
    figure, axes = panels(1, len(shown), 1.8, lines=lines, sharex=True, sharey=True)
    styles = variants(grid)
    for panel, (scheme, own) in zip(axes, shown, strict=True):
        for row in own:
            share = performance_profile(normalised.scores[row], thresholds)
            place = len(panel.lines) * 11 % 60
            panel.plot(thresholds, share, markevery=(place, 60), **row_style(row, styles))
        panel.set_title(scheme, color=SCHEME_COLOURS[scheme], fontweight="bold")
        panel.set_xlabel(f"threshold {TAU} (human-normalised)")
    axes[0].set_ylabel(f"share of runs above {TAU}")
    legend(figure, handles)
    caption = f"Performance profiles ({SOURCE}). {over_games(normalised)}"
    name = "performance_profile"
    return picture(name, "Performance profiles", caption + lambda_note(rows), figure)


def _lambda_axis(grid: Grid, axes: "Axes") -> None:
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


def _lines(grid: Grid) -> dict[tuple[str, tuple[str, ...]], list[Row]]:
    """The rows of each line: one scheme, equal in all but lambda, by lambda."""
    found: dict[tuple[str, tuple[str, ...]], list[Row]] = {}
    for row in sorted(grid.rows, key=lambda row: (SCHEMES.index(row.scheme), row.extras)):
        found.setdefault((row.scheme, row.extras), []).append(row)
    return {line: sorted(rows, key=lambda row: row.weight_decay) for line, rows in found.items()}


def _label(grid: Grid, scheme: str, extras: tuple[str, ...]) -> str:
    return " ".join([scheme, *map("=".join, zip(grid.keys, extras, strict=True))])


def _line_style(grid: Grid, scheme: str, extras: tuple[str, ...]) -> Style:
    """By scheme; where lines differ in more than that, the line style tells the rest apart."""
    several = sorted({row.extras for row in grid.rows})
    style = scheme_style(scheme)
    if len(several) > 1:
        style["linestyle"] = STYLES[several.index(extras) % len(STYLES)]
    return style


def _draw_line(
    panel: "Axes", grid: Grid, rows: list[Row], subject: str, key: str, style: Style
) -> None:
    found = [(row.weight_decay, grid.summary(row, subject, key)) for row in rows]
    points = [(decay, s.mean, s.deviation or 0.0) for decay, s in found if s.mean is not None]
    if points:
        decays, means, deviations = zip(*points, strict=True)
        panel.errorbar(decays, means, deviations, capsize=2, elinewidth=0.8, **style)


def _draw_level(panel: "Axes", grid: Grid, row: Row, subject: str, key: str, style: Style) -> None:
    summary = grid.summary(row, subject, key)
    if summary.mean is None:
        return
    panel.axhline(summary.mean, **{**style, "marker": None})
    if summary.deviation:
        low, high = summary.mean - summary.deviation, summary.mean + summary.deviation
        panel.axhspan(low, high, color=style["color"], alpha=0.1, linewidth=0)


def _drawable(grid: Grid, row: Row, subject: str) -> float | None:
    """The paper's mean, but for a misprint."""
    score = published_score(grid, row, subject)
    return None if score is None or is_misprint(subject, score) else score


def _draw_published(panel: "Axes", grid: Grid, rows: list[Row], subject: str) -> None:
    """The paper's means at the same lambdas."""
    found = [(row.weight_decay, _drawable(grid, row, subject)) for row in rows]
    points = [(decay, score) for decay, score in found if score is not None]
    if points:
        panel.plot(
            *zip(*points, strict=True), color=SCHEME_COLOURS[rows[0].scheme], zorder=1, **_hollow()
        )


def _hollow() -> Style:
    return {
        "linestyle": "none",
        "marker": "o",
        "fillstyle": "none",
        "markersize": 5,
        "markeredgewidth": 0.7,
    }
