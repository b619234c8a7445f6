"""The panels of a figure: one curve or the |m/w| quantiles of one run, over its steps."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from suite.history import History, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Style = dict[str, Any]

BANDS = (("q01", "q99", 0.12), ("q05", "q95", 0.18), ("q25", "q75", 0.35))


def curve(
    axes: "Axes",
    history: History,
    rows: list[Row],
    key: str,
    style: Style,
    marker: str | None = None,
) -> None:
    """A key of `rows` as a line in its own style, named in the legend."""
    steps, values = history.column(rows, key)
    (line,) = axes.plot(steps, values, marker=marker or alone(steps), fillstyle="none", **style)
    line.set_clip_on(not steps)  # a ring may reach over the edge; nothing at all has no place
    _mark_divergence(axes, history, steps, values)


def alone(steps: Sequence[float]) -> str | None:
    """The marker of a single point: a line through it would be invisible."""
    return "o" if len(steps) == 1 else None


def bands(axes: "Axes", history: History, style: Style) -> None:
    """The quantiles of ln |m/w|, and under constant l2 where m would be the decay alone."""
    key = "optim/log_m_over_w/"
    for low, high, alpha in BANDS:
        steps, lows = history.column(history.metrics, key + low)
        _, highs = history.column(history.metrics, key + high)
        edge = 6 if alone(steps) else 0
        axes.fill_between(steps, lows, highs, color=style["color"], alpha=alpha, linewidth=edge)
    always = history.run.config["recipe"].get("decay_schedule", "always") == "always"
    if history.member["scheme"] == "l2" and always:
        decay = math.log(history.member["weight_decay"])
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
    steps, medians = history.column(history.metrics, key + "q50")
    axes.plot(steps, medians, color=style["color"], linewidth=1.5, marker=alone(steps))
    _mark_divergence(axes, history, steps, medians)


def _mark_divergence(
    axes: "Axes", history: History, steps: Sequence[float], values: Sequence[float]
) -> None:
    """A cross at the height of the last value, at the foot of the axes where there is none."""
    if history.status != "diverged":
        return
    cross: Style = {"marker": "X", "markersize": 10, "color": "#CC0000", "zorder": 5}
    if steps:
        at = steps[-1] if history.diverged_at is None else history.diverged_at
        axes.plot(at, values[-1], **cross)
    elif history.diverged_at is not None:
        foot = axes.get_xaxis_transform()
        axes.plot(history.diverged_at, 0, transform=foot, clip_on=False, **cross)


def frame(axes: "Axes", title: str, y_label: str, step: str) -> None:
    """What all panels have in common; `step` is the key of the x axis."""
    from matplotlib.ticker import EngFormatter

    axes.set_title(title, fontsize=11)
    axes.set_xlabel(step.replace("_", " "))
    axes.set_ylabel(y_label)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlim(left=0, auto=None)  # panels that share it are still to come
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
