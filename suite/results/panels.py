"""The panels of a figure: one curve or the |m/w| quantiles of one run, over its steps."""

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared_optim.figures import BANDS, QUANTILE_KEYS
from shared_optim.schemes import SCHEMES
from workload.exhibits.drawing import Style
from workload.exhibits.grid import SCHEDULE
from workload.exhibits.record import Columns, Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT = 34
"""Characters that fit along the y axis of a learning curve."""


def curve(
    axes: "Axes",
    record: Record,
    rows: Columns,
    key: str,
    style: Style,
    marker: str | None = None,
) -> None:
    """A key of `rows` as a line in its own style, named in the legend."""
    steps, values = record.column(rows, key)
    (line,) = axes.plot(
        steps, values, marker=marker or dot_if_single(steps), fillstyle="none", **style
    )
    line.set_clip_on(not steps)  # a ring may reach over the edge; nothing at all has no place
    _mark_divergence(axes, record, steps, values)


def dot_if_single(steps: Sequence[float]) -> str | None:
    """The marker of a single point: a line through it would be invisible."""
    return "o" if len(steps) == 1 else None


def bands(axes: "Axes", record: Record, style: Style) -> None:
    """The quantiles of ln |m/w|, and under constant l2 where m would be the decay alone."""
    for low, high, alpha in BANDS:
        steps, lows = record.column(record.metrics, QUANTILE_KEYS[low])
        _, highs = record.column(record.metrics, QUANTILE_KEYS[high])
        edge = 6 if dot_if_single(steps) else 0
        axes.fill_between(steps, lows, highs, color=style["color"], alpha=alpha, linewidth=edge)
    always = record.values.get(SCHEDULE, "always") == "always"
    if SCHEMES[record.member.scheme].in_gradient and always:
        decay = math.log(record.member.weight_decay)
        axes.axhline(decay, color="black", linewidth=1, linestyle=":")
        axes.annotate(
            "m = lambda w",
            (0, decay),
            xycoords=("axes fraction", "data"),
            xytext=(4, -10),
            textcoords="offset points",
            va="top",
            fontsize=9,
        )
    steps, medians = record.column(record.metrics, QUANTILE_KEYS["q50"])
    axes.plot(steps, medians, color=style["color"], linewidth=1.5, marker=dot_if_single(steps))
    _mark_divergence(axes, record, steps, medians)


def _mark_divergence(
    axes: "Axes", record: Record, steps: Sequence[float], values: Sequence[float]
) -> None:
    """A cross at the height of the last value, at the foot of the axes where there is none."""
    if record.status != "diverged":
        return
    cross: Style = {"marker": "X", "markersize": 10, "color": "#CC0000", "zorder": 5}
    if steps:
        at = steps[-1] if record.diverged_at is None else record.diverged_at
        axes.plot(at, values[-1], **cross)
    elif record.diverged_at is not None:
        foot = axes.get_xaxis_transform()
        axes.plot(record.diverged_at, 0, transform=foot, clip_on=False, **cross)


def frame(axes: "Axes", title: str, y_label: str, step: str) -> None:
    """What all panels have in common; `step` is the key of the x axis."""
    from matplotlib.ticker import EngFormatter

    axes.set_title(title, fontsize=11)
    axes.set_xlabel(step.replace("_", " "))
    axes.set_ylabel(textwrap.fill(y_label, HEIGHT))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlim(left=0, auto=None)  # panels that share it are still to come
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
