"""What all figures of a report have in common: paper size, type, colours, and bytes that repeat."""

import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from shared_optim.schemes import BASELINE, SCHEMES, order
from workload.exhibits.cells import value
from workload.exhibits.document import Picture
from workload.exhibits.grid import RecordGrid, Row
from workload.exhibits.series import Curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Style = dict[str, Any]

WIDTH = 7.0  # inches of text on a page
COLUMNS = 4  # panels beside each other; more have no room for their ticks
# Inches.
LEFT, RIGHT, TOP, BOTTOM, LEGEND_LINE, TITLE_LINE = 0.58, 0.1, 0.28, 0.42, 0.17, 0.14
STYLES = ("-", (0, (6, 1.5)), (0, (4, 1.2, 1, 1.2)), (0, (1.2, 1)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LAMBDA = "\N{GREEK SMALL LETTER LAMDA}"
GREY = "#555555"
LETTER, HANDLE = 0.062, 0.62  # inches in a legend
FAR = 50.0
LETTERS = 13  # of a title in bold, in an inch
DIVERGED: Style = {"marker": "X", "markersize": 6, "color": "#CC0000", "linestyle": "none"}
BAND_NOTE = (
    "Line: mean over the seeds, thin and pale where fewer have come so far; band: lowest to "
    "highest."
)
CROSS_NOTE = " Cross: a run diverged."
BAND: Style = {"alpha": 0.15, "linewidth": 0}
FEWER: Style = {"alpha": 0.45, "linewidth": 0.6, "marker": None}
"""How a line goes on where a seed has ended."""
TYPE: dict[str, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "legend.fontsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.2,
    "legend.handlelength": 3.0,
    "legend.columnspacing": 1.4,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "text.parse_math": False,  # names from disk are no formulas
    "pdf.fonttype": 42,
}


@contextmanager
def typography() -> Iterator[None]:
    """Figures made and saved within have the report's type, whatever the user's matplotlibrc."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        for key, setting in TYPE.items():
            matplotlib.rcParams[key] = setting  # type: ignore[index]
        yield


def panels(
    rows: int,
    columns: int,
    height: float,
    *,
    gap: float = 0.15,
    lines: int = 1,
    title_lines: int = 1,
    left: float = LEFT,
    **shared: Any,
) -> tuple["Figure", list["Axes"]]:
    """A figure of the page's width with rows x columns axes, and room for a legend below.

    Args:
        rows, columns: of axes.
        height: of an axes, in inches.
        gap: between columns, in inches; y labels need more.
        lines: of the legend.
        title_lines: of the panels' titles.
        left: of the first column, in inches.
        shared: sharex and sharey, as in matplotlib's subplots.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    top = TOP + TITLE_LINE * (title_lines - 1)
    between = 0.3 + TITLE_LINE * (title_lines - 1)
    bottom = BOTTOM + LEGEND_LINE * lines
    total = top + rows * height + (rows - 1) * between + bottom
    figure = Figure(figsize=(WIDTH, total), dpi=200)
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **shared)
    width = (WIDTH - left - RIGHT - (columns - 1) * gap) / columns
    figure.subplots_adjust(
        left=left / WIDTH,
        right=1 - RIGHT / WIDTH,
        top=1 - top / total,
        bottom=bottom / total,
        wspace=gap / width,
        hspace=between / height,
    )
    return figure, list(axes.flat)


def label_edges(axes: Sequence["Axes"], shown: int, columns: int, y: str) -> None:
    """Of panels in rows, labels where there is room: x below the last panel of each column, y left
    of the first of each row. Panels beyond the first `shown` are hidden.
    """
    for panel in axes[shown:]:
        panel.set_visible(False)
    for place, panel in enumerate(axes[:shown]):
        if place + columns < shown:
            panel.set_xlabel("")
        else:
            panel.tick_params(labelbottom=True)
        if place % columns == 0:
            panel.set_ylabel(y)


def legend_columns(handles: Sequence[Any]) -> int:
    """Entries of a legend that fit beside each other."""
    longest = max(len(handle.get_label()) for handle in handles)
    return max(1, min(len(handles), int((WIDTH - RIGHT) / (HANDLE + LETTER * longest))))


def legend_lines(handles: Sequence[Any]) -> int:
    """Lines of such a legend."""
    return math.ceil(len(handles) / legend_columns(handles))


def legend(figure: "Figure", handles: Sequence[Any], above: int = 0) -> None:
    """A legend below all panels, to be read line by line, so many lines above the foot."""
    columns = legend_columns(handles)
    figure.legend(
        handles=[handle for column in range(columns) for handle in handles[column::columns]],
        loc="lower center",
        bbox_to_anchor=(0.5, LEGEND_LINE * above / figure.get_figheight()),
        ncols=columns,
        frameon=False,
        borderpad=0.1,
    )


def titles(labels: Sequence[str], columns: int) -> tuple[list[str], int]:
    """The titles of panels, broken to their width, and the most lines that one has."""
    letters = int(LETTERS * (WIDTH - LEFT) / columns)
    broken = [_broken(label, letters) for label in labels]
    return broken, max(text.count("\n") + 1 for text in broken)


def _broken(label: str, letters: int) -> str:
    """Lines of at most so many letters, broken behind a space or `=` where there is one."""
    lines = [""]
    for piece in re.split("(?<=[ =])", label):
        if lines[-1] and len((lines[-1] + piece).rstrip()) > letters:
            lines.append("")
        lines[-1] += piece
        while len(lines[-1].rstrip()) > letters:
            lines[-1:] = lines[-1][:letters], lines[-1][letters:]
    return "\n".join(line.rstrip() for line in lines)


def in_steps(axes: "Axes", step: str) -> None:
    """An x axis of steps or updates from 0 on, in thousands or millions."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlim(left=0, auto=None)  # panels that share it are still to come
    axes.set_xlabel(step.replace("_", " "))


def logarithmic(axes: "Axes", *names: Literal["x", "y"]) -> None:
    """Make axes logarithmic, with plain numbers at their ticks: matplotlib's own are formulas,
    which are not set here. Between powers of ten there are numbers where those are few."""
    from matplotlib.ticker import LogFormatter

    class Plain(LogFormatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            shown = super().__call__(x, pos)  # empty where there is no room
            return f"{x:g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e") * bool(
                shown
            )

    for name in names:
        axes.set(**{f"{name}scale": "log"})
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_formatter(Plain())
        axis.set_minor_formatter(Plain())


def variants(grid: RecordGrid) -> dict[tuple[str, tuple[str, ...]], Style]:
    """Line style and marker of every lambda (with what else differs), the same in all figures."""
    styles: dict[tuple[str, tuple[str, ...]], Style] = {}
    for row in grid.rows:
        own = (row.decay, row.extras)
        if own not in styles and row.scheme != BASELINE:
            styles[own] = _style_of(len(styles))
    plain = [row for row in grid.rows if row.scheme == BASELINE]
    for nth, row in enumerate(plain):
        styles[row.decay, row.extras] = {"linestyle": STYLES[nth % len(STYLES)]}
    return styles


def _style_of(nth: int) -> Style:
    linestyle, marker = STYLES[nth % len(STYLES)], MARKERS[nth % len(MARKERS)]
    return {"linestyle": linestyle, "marker": marker}


def row_style(row: Row, styles: dict[tuple[str, tuple[str, ...]], Style]) -> Style:
    return {"color": SCHEMES[row.scheme].colour, **styles[row.decay, row.extras]}


def variant_handles(grid: RecordGrid, rows: Sequence[Row]) -> list[Any]:
    """Legend entries: `none` in its colour, each lambda in grey, as panels give the scheme."""
    from matplotlib.lines import Line2D

    styles = variants(grid)
    entries: dict[str, Any] = {}
    for row in rows:
        label = row.label(grid.keys)
        style: Style = row_style(row, styles)
        if row.scheme != BASELINE:
            label = label.replace(row.scheme, LAMBDA, 1)
            style["color"] = GREY
        entries.setdefault(label, Line2D([], [], label=label, **style))
    return list(entries.values())


def scheme_style(scheme: str) -> Style:
    """Where schemes share a panel: colour, line style and marker by scheme."""
    return {
        "color": SCHEMES[scheme].colour,
        "linestyle": STYLES[order(scheme) % len(STYLES)],
        "marker": SCHEMES[scheme].marker,
    }


def scheme_title(axes: "Axes", text: str, scheme: str, weight: str = "normal") -> None:
    """A panel's title in the colour of its scheme."""
    axes.set_title(text, color=SCHEMES[scheme].colour, fontweight=weight)


def scheme_handles(rows: Sequence[Row]) -> list[Any]:
    """Legend entries where schemes share a panel."""
    from matplotlib.lines import Line2D

    present = {row.scheme for row in rows}
    return [
        Line2D([], [], label=scheme, **scheme_style(scheme))
        for scheme in SCHEMES
        if scheme in present
    ]


def draw_mean(axes: "Axes", curves: Curves, style: Style, **more: Any) -> None:
    """The mean over seeds as a line with a few markers, the range from lowest to highest. Beyond
    the last point that most seeds have, the line is thin and pale."""
    low, mean, high = envelope(curves)
    style = style | more
    if len(curves.x) == 1 and not style.get("marker"):
        style["marker"] = "_"
    every = max(1, len(curves.x) // 6)
    # Curves that coincide show their markers in different places.
    first = len(axes.lines) % every
    seeds = np.isfinite(curves.y).sum(axis=0)
    whole = int(np.flatnonzero(seeds == seeds.max())[-1]) + 1
    axes.plot(curves.x[:whole], mean[:whole], markevery=(first, every), **style)
    if whole < len(curves.x):
        axes.plot(curves.x[whole - 1 :], mean[whole - 1 :], **style | FEWER)
    if len(curves.x) == 1:
        axes.vlines(curves.x, low, high, color=style["color"], linewidth=0.8)
    else:
        axes.fill_between(curves.x, low, high, color=style["color"], **BAND)


def envelope(curves: Curves) -> tuple[Any, Any, Any]:
    """Lowest, mean and highest over the seeds that have a value, per point."""
    return np.nanmin(curves.y, 0), np.nanmean(curves.y, 0), np.nanmax(curves.y, 0)


def draw_cross(axes: "Axes", at: float | None, values: Any) -> None:
    """A cross where a run diverged, at the height of its last value or at the foot."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if at is None:
        return
    if len(known):
        axes.plot(at, known[-1], zorder=5, **DIVERGED)
    else:
        axes.plot(at, 0, transform=axes.get_xaxis_transform(), clip_on=False, zorder=5, **DIVERGED)


def _leave_out_far_values(figure: "Figure") -> float | None:
    """Bound y axes that have no logarithm; the value that lies farthest off, None without one."""
    farthest = None
    for axes in figure.axes:
        if axes.get_yscale() != "linear":
            continue
        shared = axes.get_shared_y_axes().get_siblings(axes)
        drawn = [np.asarray(line.get_ydata(), float) for one in shared for line in one.lines]
        values = np.concatenate([*drawn, np.empty(0)])
        values = values[np.isfinite(values)]
        low, high = readable(values)
        far = values[(values < low) | (values > high)]
        if len(far):
            margin = 0.05 * (high - low)
            axes.set_ylim(low - margin, high + margin)
            farthest = max([*far, *([] if farthest is None else [farthest])], key=abs)
    return None if farthest is None else float(farthest)


def readable(values: Any) -> tuple[float, float]:
    """Lowest and highest of the values that lie within FAR times the distance of their deciles."""
    if not len(values):
        return -math.inf, math.inf
    tenth, middle, ninth = np.quantile(values, [0.1, 0.5, 0.9])
    reach = FAR * ((ninth - tenth) or abs(middle) or 1.0)
    near = values[(values >= tenth - reach) & (values <= ninth + reach)]
    return float(near.min()), float(near.max())


def picture(name: str, title: str, caption: str, figure: "Figure") -> Picture:
    """The figure as PNG and PDF whose bytes depend on what is drawn alone.

    Where a few values lie so far off that the others would be one line, the axis leaves them out
    and the caption says so.
    """
    if beyond := _leave_out_far_values(figure):
        caption += f" Beyond the axes, and not shown: values up to {value(beyond)}."
    png, pdf = BytesIO(), BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # characters that the font does not have
        figure.savefig(png, format="png", metadata={"Software": None})
        nothing = {"Creator": None, "Producer": None, "CreationDate": None}
        figure.savefig(pdf, format="pdf", metadata=nothing)
    return Picture(name, title, caption, png.getvalue(), pdf.getvalue())
