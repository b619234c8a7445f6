"""`wdbench plot RUN...`: learning curves and the inside of the optimizer as one PNG."""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from suite.arguments import Parser
from suite.history import History, by_workload, last, read_histories
from suite.panels import Style, alone, bands, curve, frame
from suite.run_directory import Run
from suite.shown import find_runs, groups, labels
from workload.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

from workload.contract import Panel

# Okabe and Ito's colours, which colour-blind readers can tell apart.
SCHEME_COLOURS = {
    "none": "#000000",
    "l2": "#D55E00",
    "decoupled": "#0072B2",
    "separated": "#009E73",
}
# black is for `none` alone
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
BAND_NOTE = "|m/w| of all weights: line, median; bands from dark to light, 25-75, 5-95 and 1-99 %"
COLUMNS = 4
LINE = 150  # characters beside each other


def main(argv: list[str], prog: str) -> int:
    parser = Parser(prog, "Draw runs: learning curves and the inside of the optimizer.")
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="run directory, or one above several"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="PNG; default RUN/plot.png, or plot.png for several",
    )
    options = parser.parse_args(argv)
    runs = find_runs(options.runs)
    out = options.out or (runs[0].path / "plot.png" if len(runs) == 1 else Path("plot.png"))
    if out.suffix.lower() != ".png":
        raise UserError(f"--out: {out} does not end in .png")
    print(plot(runs, out))
    return 0


def plot(runs: Sequence[Run], out: Path) -> Path:
    """Draw runs over steps: learning curves, weight norm, drowned fraction, |m/w| quantiles.

    Runs of several workloads stand below each other.

    Raises:
        UserError: none can be read, or none has logged anything yet, nor diverged.
    """
    histories = [h for h in read_histories(runs) if h.metrics or h.status == "diverged"]
    if not histories:
        raise UserError("nothing to plot: no run has logged a row yet")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sheets = [(group, _styles(group)) for group in by_workload(histories)]
    heights = [h for _, styles in sheets for h in (_curves_height(styles), _bands_height(styles))]
    figure = Figure(figsize=(15, sum(heights)), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).flat
    for (group, styles), upper, lower in zip(sheets, parts[::2], parts[1::2], strict=True):
        _draw_curves(upper, group, styles)
        _draw_bands(lower, group, styles)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.tmp")
    figure.savefig(temporary, format="png")
    temporary.replace(out)
    return out


def _curves_height(styles: Sequence[Style]) -> float:
    """Inches, with room for the legend."""
    return 3.6 + 0.21 * math.ceil(len(styles) / _legend_columns(styles))


def _bands_height(styles: Sequence[Style]) -> float:
    return 3.2 * math.ceil(len(styles) / COLUMNS)


def _legend_columns(styles: Sequence[Style]) -> int:
    return max(1, min(COLUMNS, LINE // max(len(style["label"]) for style in styles)))


def _draw_curves(
    figure: "SubFigure", histories: Sequence[History], styles: Sequence[Style]
) -> None:
    from matplotlib.ticker import PercentFormatter

    workload = histories[0].run.workload
    *learning, norm, drowned = figure.subplots(1, 4, sharex=True)
    for axes, panel in zip(learning, workload.PANELS, strict=True):
        _draw_learning(axes, panel, histories, styles)
        frame(axes, panel.title, panel.y_label, workload.STEP)
    for history, style in zip(histories, styles, strict=True):
        curve(norm, history, history.metrics, "optim/weight_norm", style)
        # Only under l2 is the decay inside m; elsewhere it is what would drown if it were.
        faint = {} if history.member["scheme"] == "l2" else {"alpha": 0.4}
        curve(drowned, history, history.metrics, "optim/drowned_fraction", style | faint)
    frame(norm, "weight norm", "2-norm of all weights", workload.STEP)
    share = "share of weights (faint: would be)"
    frame(drowned, "gradient drowned by decay", share, workload.STEP)
    drowned.set_ylim(bottom=0)
    drowned.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    handles, names = norm.get_legend_handles_labels()
    figure.legend(
        *(handles, names),
        loc="outside lower center",
        ncols=_legend_columns(styles),
        frameon=False,
    )
    figure.suptitle(_title(histories), fontsize=14)


def _draw_learning(
    axes: "Axes", panel: "Panel", histories: Sequence[History], styles: Sequence[Style]
) -> None:
    """Evaluations as curves, under them what was logged in between."""
    for history, style in zip(histories, styles, strict=True):
        if panel.metrics:
            steps, values = history.column(history.metrics, panel.metrics)
            rough = style | {"alpha": 0.3, "linewidth": 1, "linestyle": "-", "label": None}
            axes.plot(steps, values, marker=alone(steps), fillstyle="none", **rough)
        curve(axes, history, history.evaluations, panel.evaluation, style, marker="o")
    if not panel.metrics and all(
        last(history.evaluations, panel.evaluation) is None for history in histories
    ):
        axes.set_yticks([])
        middle: Style = {"transform": axes.transAxes, "ha": "center", "va": "center"}
        axes.text(0.5, 0.5, "no evaluation yet", **middle)


def _draw_bands(figure: "SubFigure", histories: Sequence[History], styles: Sequence[Style]) -> None:
    rows, columns = math.ceil(len(histories) / COLUMNS), min(len(histories), COLUMNS)
    panels = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for axes, history, style in zip(panels, histories, styles, strict=False):
        bands(axes, history, style)
        title = textwrap.fill(style["label"], LINE // columns)
        frame(
            axes, title, "ln |m/w|" if axes in panels[::columns] else "", history.run.workload.STEP
        )
        axes.tick_params(labelbottom=True)
    for axes in panels[len(histories) :]:
        axes.set_visible(False)
    figure.supxlabel(BAND_NOTE, fontsize=10)


def _title(histories: Sequence[History]) -> str:
    return ", ".join(sorted({h.run.path.absolute().parent.parent.name for h in histories}))


def _styles(histories: Sequence[History]) -> list[Style]:
    """Colour by all but the seed; line style by seed, or like the colour when seeds are equal.

    Rings of different sizes stay visible where points coincide.
    """
    runs = [history.run for history in histories]
    names = list(dict.fromkeys(groups(runs)))
    schemes = [history.member["scheme"] for history in histories]
    seeds = list(dict.fromkeys(history.member["seed"] for history in histories))
    one_group_each = len(set(schemes)) == len(names)
    styles = []
    for position, (history, group, label) in enumerate(
        zip(histories, groups(runs), labels(runs), strict=True)
    ):
        index, scheme = names.index(group), history.member["scheme"]
        seed, again = seeds.index(history.member["seed"]), index // len(COLOURS)
        style = seed + again * len(seeds) if len(seeds) > 1 else index
        colour = SCHEME_COLOURS[scheme] if one_group_each else COLOURS[index % len(COLOURS)]
        styles.append(
            {
                "color": colour,
                "linestyle": STYLES[style % len(STYLES)],
                "label": label + (" (diverged)" if history.status == "diverged" else ""),
                "markersize": 4 + 2.5 * ((len(runs) - 1 - position) % len(STYLES)),
            }
        )
    return styles
