"""Learning curves: returns of a game over agent steps (Figures 6, 13-17), BLEU over epochs (7)."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from suite.plot import SCHEME_COLOURS
from suite.report import published
from suite.report.document import Picture
from suite.report.drawing import (
    DIVERGED,
    LAMBDA,
    draw_mean,
    in_steps,
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
from suite.report.series import by_round
from suite.report.wording import lambda_note

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND = "Line: mean over the seeds that have come so far; band: lowest to highest."
CROSS = " Cross: a run diverged."
DOPAMINE_MARKERS = ("o", "s", "D")


def panel_rows(grid: Grid, subject: str) -> list[tuple[str, list[Row]]]:
    """A panel per scheme with decay, `none` in each as the reference; alone where it is alone."""
    rows = grid.rows_of(subject)
    plain = [row for row in rows if row.scheme == "none"]
    decayed = [(s, [r for r in rows if r.scheme == s]) for s in SCHEMES if s != "none"]
    shown = [(scheme, [*plain, *own]) for scheme, own in decayed if own]
    return shown or [("none", plain)]


def return_figure(grid: Grid, game: str, phase: str) -> Picture | None:
    """Mean return per episode of a game; None where no run has an evaluation yet.

    Args:
        grid: RL runs.
        game: the column.
        phase: `eval` or `train`; beside `train` stand Dopamine's published curves.
    """
    from matplotlib.lines import Line2D

    key = f"{phase}/return"
    shown = panel_rows(grid, game)
    if all(by_round(grid.at(row, game), key, "agent_steps") is None for _, r in shown for row in r):
        return None
    handles = variant_handles(grid, [row for _, rows in shown for row in rows])
    published_points = _reached(grid, game) if phase == "train" else {}
    diverged = any(run.status == "diverged" for row in grid.rows for run in grid.at(row, game))
    if diverged:
        handles.append(Line2D([], [], label="diverged", **DIVERGED))
    theirs = [
        Line2D([], [], label=name, **_open(marker))
        for name, marker in zip(published_points, DOPAMINE_MARKERS, strict=False)
    ]
    lines = legend_lines(handles)
    figure, axes = panels(
        *(1, len(shown), 1.9),
        lines=lines + (legend_lines(theirs) if theirs else 0),
        sharex=True,
        sharey=True,
    )
    styles = variants(grid)
    for place, (scheme, rows) in enumerate(shown):
        for row in rows:
            records = grid.at(row, game)
            curves = by_round(records, key, "agent_steps")
            if curves is not None:
                draw_mean(axes[place], curves, row_style(row, styles))
            for record in records:
                if record.status == "diverged":
                    _cross(axes[place], record.diverged_at, record.evaluations[key])
        for points, marker in zip(published_points.values(), DOPAMINE_MARKERS, strict=False):
            axes[place].plot(*zip(*points, strict=True), **_open(marker))
        axes[place].set_title(scheme, color=SCHEME_COLOURS[scheme], fontweight="bold")
        in_steps(axes[place], "agent_steps")
    what = "evaluation" if phase == "eval" else "training"
    axes[0].set_ylabel(f"{what} return per episode")
    if theirs:
        legend(figure, theirs, above=lines)
    legend(figure, handles)
    rows = [row for _, rows in shown for row in rows]
    caption = f"{game}: {what} return over agent steps, a panel per scheme. {BAND}"
    caption += CROSS if diverged else ""
    if phase == "train":
        caption += (
            " Open markers: Dopamine's published training returns, mean of 5 runs "
            "(google/dopamine)."
            if published_points
            else " Dopamine's published training returns begin at 250,000 steps, beyond these runs."
        )
    return picture(
        f"learning_{what}_{grid.file_name(game)}",
        f"{game}: {what} return",
        caption + lambda_note(rows),
        figure,
    )


def bleu_figure(grid: Grid, corpus: str, name: str) -> Picture | None:
    """Validation BLEU over epochs, a panel per lambda, a line per scheme; None without values.

    `none` stands in the panels whose recipe is its own, alone where there is none.

    Args:
        grid: translation runs.
        corpus: the column.
        name: of the files.
    """
    from matplotlib.ticker import MaxNLocator

    rows = grid.rows_of(corpus)
    decays: dict[tuple[float, tuple[str, ...]], list[Row]] = {}
    for row in rows:
        if row.scheme != "none":
            decays.setdefault((row.weight_decay, row.extras), []).append(row)
    shown = []
    for own in decays.values():
        plain = grid.partner(own[0])
        shown.append([plain, *own] if plain in rows else own)
    compared = {row for own in shown for row in own}
    shown += [[row] for row in rows if row not in compared]
    curves = {row: by_round(grid.at(row, corpus), "valid/bleu", "epoch") for row in rows}
    if not any(curves.values()):
        return None
    columns = min(3, len(shown))
    labels = [own[-1].label(grid.keys) for own in shown]
    labels = [
        label if own[-1].scheme == "none" else label.replace(own[-1].scheme, LAMBDA, 1)
        for own, label in zip(shown, labels, strict=True)
    ]
    broken, title_lines = titles(labels, columns)
    figure, axes = panels(
        math.ceil(len(shown) / columns),
        columns,
        1.9,
        title_lines=title_lines,
        sharex=True,
        sharey=True,
    )
    for panel, own, title in zip(axes, shown, broken, strict=False):
        for row in own:
            drawn = curves[row]
            if drawn is not None:
                draw_mean(panel, drawn, scheme_style(row.scheme))
        panel.set_title(title)
        panel.set_xlim(left=0, auto=None)
    for panel in axes[len(shown) :]:
        panel.set_visible(False)
    axes[0].xaxis.set_major_locator(MaxNLocator(5, integer=True))
    for panel in axes[max(0, len(shown) - columns) : len(shown)]:
        panel.set_xlabel("epoch")
        panel.tick_params(labelbottom=True)
    for panel in axes[::columns]:
        panel.set_ylabel("validation BLEU, tokenised")
    legend(figure, scheme_handles(rows))
    caption = f"{corpus}: tokenised BLEU of the validation set after each epoch. {BAND}"
    return picture(
        name,
        f"{corpus}: BLEU over epochs",
        caption + lambda_note(rows),
        figure,
    )


def scheme_handles(rows: Sequence[Row]) -> list[Any]:
    """Legend entries where schemes share a panel."""
    from matplotlib.lines import Line2D

    present = {row.scheme for row in rows}
    return [
        Line2D([], [], label=scheme, **scheme_style(scheme))
        for scheme in SCHEMES
        if scheme in present
    ]


def _reached(grid: Grid, game: str) -> dict[str, list[tuple[int, float]]]:
    """Dopamine's points up to the last step of our runs, by agent."""
    steps = [run.evaluations["agent_steps"] for row in grid.rows for run in grid.at(row, game)]
    end = max((float(s[-1]) for s in steps if len(s)), default=0.0)
    found = {
        name: [point for point in published.dopamine_curve(agent, game) if point[0] <= 1.02 * end]
        for agent, name in published.AGENTS.items()
    }
    return {name: points for name, points in found.items() if points}


def _open(marker: str) -> dict[str, Any]:
    return {
        "linestyle": "none",
        "marker": marker,
        "fillstyle": "none",
        "color": "black",
        "markersize": 4.5,
        "markeredgewidth": 0.8,
        "zorder": 4,
    }


def _cross(axes: "Axes", at: float | None, values: Any) -> None:
    """A cross where a run diverged, at the height of its last value or at the foot."""
    import numpy as np

    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if at is None:
        return
    if len(known):
        axes.plot(at, known[-1], zorder=5, **DIVERGED)
    else:
        axes.plot(at, 0, transform=axes.get_xaxis_transform(), clip_on=False, zorder=5, **DIVERGED)
