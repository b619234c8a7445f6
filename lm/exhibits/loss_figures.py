"""Loss curves before and after the learning rate falls, and validation against training loss."""

from collections.abc import Mapping, Sequence

import numpy as np

from lm.exhibits.kinds import CONSTANT, DROPPED, Kind, kinds, rate_of
from lm.metrics import AVERAGED_LOSS, FIT_LOSS, VAL_LOSS
from workload.exhibits.document import Picture
from workload.exhibits.drawing import (
    BAND_NOTE,
    CROSS_NOTE,
    DIVERGED,
    Style,
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
from workload.exhibits.series import by_round

COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#777777")
LINES = {CONSTANT: "-", DROPPED: (0, (4, 1.2)), "cosine": (0, (1.2, 1)), "wsd": (0, (3, 1, 1, 1))}
LATE = 2 / 3
"""From where on the second panel shows the training, as a share."""


def loss_figure(grid: RecordGrid, task: str, name: str) -> Picture | None:
    """Validation loss over updates, whole and the last third; None without a value."""
    from matplotlib.lines import Line2D

    found = kinds(grid, task)
    curves = {
        (kind, rate, key): curve
        for kind, records in found.items()
        for rate, own in _by_rate(records).items()
        for key in (VAL_LOSS.key, AVERAGED_LOSS.key)
        if (key == VAL_LOSS.key or rate == CONSTANT)
        and (curve := by_round(own, key, grid.step)) is not None
    }
    if not curves:
        return None
    colours = _colours(found)
    rates = list(dict.fromkeys(rate for _, rate, _ in curves))
    handles = [Line2D([], [], label=k.label, color=colours[k]) for k in found]
    if len(rates) > 1:
        handles += [Line2D([], [], label=r, color="#777777", **_line(r)) for r in rates]
    averaged = any(key == AVERAGED_LOSS.key for *_, key in curves)
    if averaged:
        handles.append(Line2D([], [], label="mean of the weights", color="#777777", linewidth=0.6))
    diverged = [r for records in found.values() for r in records if r.diverged]
    if diverged:
        handles.append(Line2D([], [], label="diverged", **DIVERGED))
    figure, axes = panels(1, 2, 2.4, gap=0.5, lines=legend_lines(handles))
    end = max(float(curve.x[-1]) for curve in curves.values())
    late = [c.y[:, c.x >= LATE * end] for c in curves.values()]
    for panel in axes:
        for (kind, rate, key), curve in curves.items():
            style = {"color": colours[kind], **_line(rate)}
            if key == AVERAGED_LOSS.key:
                style["linewidth"] = 0.6
            draw_mean(panel, curve, style)
        for record in diverged:
            draw_cross(panel, record.diverged_at, record.evaluations[VAL_LOSS.key])
        in_steps(panel, grid.step)
    axes[0].set_ylabel(VAL_LOSS.unit)
    values = np.concatenate([part.ravel() for part in late])
    values = values[np.isfinite(values)]
    if len(values):
        margin = 0.05 * float(np.ptp(values)) + 1e-3
        axes[1].set_xlim(LATE * end, end * 1.01)
        axes[1].set_ylim(float(values.min()) - margin, float(values.max()) + margin)
    legend(figure, handles)
    caption = f"{task}: validation loss, on the right the last third. {BAND_NOTE}" + (
        CROSS_NOTE if diverged else ""
    )
    return picture(name, f"{task}: loss before and after the rate falls", caption, figure)


def fit_figure(grid: RecordGrid, task: str, name: str) -> Picture | None:
    """Validation against training loss, a line per run; None without a value."""
    from matplotlib.lines import Line2D

    found = kinds(grid, task)
    colours = _colours(found)
    handles = [Line2D([], [], label=kind.label, color=colours[kind]) for kind in found]
    figure, (panel,) = panels(1, 1, 2.6, lines=legend_lines(handles))
    drawn = []
    for kind, records in found.items():
        for record in records:
            pair = (record.evaluations[FIT_LOSS.key], record.evaluations[VAL_LOSS.key])
            known = np.isfinite(pair).all(axis=0)
            if known.any():
                panel.plot(*(part[known] for part in pair), color=colours[kind], linewidth=0.7)
                drawn.append(np.concatenate([part[known] for part in pair]))
    if not drawn:
        return None
    ends = [float(np.concatenate(drawn).min()), float(np.concatenate(drawn).max())]
    panel.plot(ends, ends, color="#777777", linestyle=":", linewidth=0.8)
    panel.set_xlabel(FIT_LOSS.unit)
    panel.set_ylabel(VAL_LOSS.unit)
    legend(figure, handles)
    caption = (
        f"{task}: validation loss against the loss on fixed windows of the training text after "
        "each round, a line per run; dotted: equal. One line for all is decay that does not act "
        "as regularisation."
    )
    return picture(name, f"{task}: validation against training loss", caption, figure)


def _by_rate(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(rate_of(record), []).append(record)
    return found


def _colours(found: Mapping[Kind, Sequence[Record]]) -> dict[Kind, str]:
    return {kind: COLOURS[n % len(COLOURS)] for n, kind in enumerate(found)}


def _line(rate: str) -> Style:
    return {"linestyle": LINES.get(rate, "-")}
