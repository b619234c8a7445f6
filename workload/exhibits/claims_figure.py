"""All verdicts at a glance: where the interval of each claim lies, in its own half-widths."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from workload.claims import counted_words
from workload.exhibits.document import Picture
from workload.exhibits.drawing import WIDTH, picture
from workload.verdict import FAILS, FEWEST, FEWEST_ALIKE, HOLDS, OPEN, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {HOLDS: "#009E73", FAILS: "#D55E00", OPEN: "#777777"}
FURTHEST = 8.0
LINE, MARGIN = 0.2, 0.55  # inches
LETTERS = 96
AT_THE_EDGE = (
    f"Beyond {FURTHEST:g} a dot stands at the edge. A ring is of numbers that are all the same, "
    f"and so without an interval: a verdict from {FEWEST_ALIKE} on."
)


def claims_figure(found: Sequence[Verdict], name: str) -> Picture | None:
    """Under each claim a line per kind of runs that have seeds enough; None where none have."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = [each for each in found if each.seeds >= FEWEST]
    if not drawn:
        return None
    lines: list[str | Verdict] = []
    for claim, own in groupby(drawn, key=lambda each: each.claim.claim):
        lines += [claim, *own]
    height = LINE * len(lines) + 2 * MARGIN
    figure = Figure(figsize=(WIDTH, height), dpi=200)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.58, MARGIN / height, 0.4, 1 - 1.4 * MARGIN / height))
    axes.axvline(0, color="black", linewidth=0.8)
    labels = [line if isinstance(line, str) else line.of_what for line in lines]
    axes.set_yticks(range(len(lines)), [_short(label) for label in labels], fontsize=5.5)
    for place, (line, tick) in enumerate(zip(lines, axes.yaxis.get_major_ticks(), strict=True)):
        if isinstance(line, str):
            tick.label1.set_fontweight("bold")
            tick.gridline.set_visible(False)
        else:
            draw_interval(axes, place, line)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlim(-FURTHEST - 1.5, FURTHEST + 1.5)
    axes.set_xlabel("does not hold   <   0   <   holds")
    caption = (
        f"{counted_words(found)}. A dot is the mean over seeds of a claim's number, a bar its 95 % "
        "interval, both over the interval's half-width: a bar that leaves 0 out is a verdict. "
        f"{AT_THE_EDGE}"
    )
    return picture(name, "Verdicts", caption, figure)


def draw_interval(axes: "Axes", place: int, verdict: Verdict) -> None:
    """A dot and a bar at a height, of a claim that has an interval; a ring where its numbers are
    all the same; nothing below three seeds."""
    mean, low, high = verdict.mean, verdict.low, verdict.high
    if mean is None or verdict.seeds < FEWEST:
        return
    colour = COLOURS[verdict.word]
    if low is None or high is None:
        at = math.copysign(FURTHEST, mean) if mean else 0.0
        axes.plot(at, place, "o", color=colour, markerfacecolor="white")
        return
    at = max(-FURTHEST, min(FURTHEST, 2 * mean / (high - low)))
    axes.plot([at - 1, at + 1], [place, place], color=colour)
    axes.plot(at, place, "o", color=colour)


def _short(label: str) -> str:
    return label if len(label) <= LETTERS else f"{label[: LETTERS - 3]}..."
