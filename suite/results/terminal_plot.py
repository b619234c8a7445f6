"""Curves of runs as text, for a terminal that shows no pictures."""

import string
from collections.abc import Iterator, Sequence

from shared_optim.figures import DROWNED, MEDIAN, WEIGHT_NORM
from suite.registry import load
from suite.results.records import by_workload, read_runs
from suite.results.run_plot import labels
from suite.runs.directory import Run
from workload.errors import UserError
from workload.exhibits.record import Record

POINTS = 300
HEIGHT = 8
"""Lines of a panel."""
MARGIN = 19
"""Columns beside a panel without the name of its x axis: mostly the numbers of its y axis."""
LABEL = 10
COLOURS = ("blue", "red", "green", "magenta", "cyan", "yellow")
LETTERS = string.ascii_lowercase

Points = tuple[list[float], list[float]]


def curves_text(runs: Sequence[Run], width: int, *, colour: bool) -> str:
    """Weight norm, learning curves, drowned share and median ln |m/w| of runs over their steps.

    Args:
        runs: whose rows are drawn, those of a workload into the same panels.
        width: columns of the terminal.
        colour: whether it shows colours. Without, a letter stands for each of several runs.

    Raises:
        UserError: no run can be read, or none has logged two rows.
    """
    records = read_runs(runs, points=POINTS, whole=True)
    panels = [
        text for group in by_workload(records) for text in _panels(group, width, colour=colour)
    ]
    if not panels:
        raise UserError("nothing to show: no run has logged two rows yet")
    return "\n\n".join(panels)


def _panels(records: Sequence[Record], width: int, *, colour: bool) -> Iterator[str]:
    workload = load(records[0].workload)
    percent = [
        (steps, [100 * value for value in values])
        for steps, values in (record.column(record.metrics, DROWNED.key) for record in records)
    ]
    panels: list[tuple[str, list[Points]]] = [
        (
            f"{WEIGHT_NORM.label}: {WEIGHT_NORM.unit}",
            [record.column(record.metrics, WEIGHT_NORM.key) for record in records],
        )
    ]
    for curve in workload.report.curves:
        lines = [record.column(record.evaluations, curve.metric.key) for record in records]
        if curve.between and not any(len(steps) > 1 for steps, _ in lines):
            lines = [record.column(record.metrics, curve.metric.key) for record in records]
        panels.append((f"{curve.title}: {curve.metric.unit}", lines))
    panels.append((f"{DROWNED.label}, or would be: % of all weights", percent))
    medians = [record.column(record.metrics, MEDIAN.key) for record in records]
    panels.append(("median ln |m/w|", medians))
    own = labels(records)
    axis = records[0].step.replace("_", " ")
    # A single number stands in the table.
    drawn = [(title, lines) for title, lines in panels if any(len(x) > 1 for x, _ in lines)]
    if not drawn:
        return
    for title, lines in drawn:
        yield f"{title}\n{_panel(lines, axis, width, colour=colour)}"
    marks = [_mark(i, colour=colour) for i in range(len(own))] if len(own) > 1 else [""]
    yield "\n".join(f"{mark}  {name}".strip() for mark, name in zip(marks, own, strict=True))


def _mark(number: int, *, colour: bool) -> str:
    """What a run is told by: a piece of its line, or its letter."""
    import plotille

    if colour:
        return str(plotille.color("⠤⠤", fg=COLOURS[number % len(COLOURS)], mode="names"))
    return LETTERS[number % len(LETTERS)]


def _panel(lines: Sequence[Points], axis: str, width: int, *, colour: bool) -> str:
    import plotille

    figure = plotille.Figure()
    figure.width, figure.height = max(width - MARGIN - len(axis), 20), HEIGHT
    figure.with_colors, figure.color_mode, figure.origin = colour, "names", False
    figure.x_label, figure.y_label = axis, ""
    figure.x_ticks_fkt = lambda value, _: _brief(value)
    figure.y_ticks_fkt = lambda value, _: _brief(value).rjust(LABEL)
    figure.set_x_limits(0, max(max(steps, default=0) for steps, _ in lines) or 1)
    _room(figure, [value for _, values in lines for value in values])
    several = len(lines) > 1
    for i, (steps, values) in enumerate(lines):
        if len(steps) > 1:
            letter = LETTERS[i % len(LETTERS)] if several and not colour else None
            tint = COLOURS[i % len(COLOURS)] if colour else None
            figure.plot(steps, values, lc=tint, marker=letter)
    return str(figure.show()).partition("\n")[2]  # without the y label


def _room(figure: "object", values: Sequence[float]) -> None:
    """A little room above and below, also where all values are one."""
    low, high = min(values), max(values)
    room = (high - low) / 20 or abs(high) / 20 or 1.0
    figure.set_y_limits(low - room, high + room)  # type: ignore[attr-defined]


def _brief(value: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
