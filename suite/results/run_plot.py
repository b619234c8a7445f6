"""Learning curves and the inside of the optimizer of some runs, as one PNG."""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shared_optim.figures import DROWNED, WEIGHT_NORM
from shared_optim.schemes import SCHEMES
from suite.registry import load
from suite.results.panels import bands, curve, dot_if_single, frame
from suite.results.records import by_workload, read_runs
from suite.runs.directory import Run
from workload.errors import UserError
from workload.exhibits.drawing import Style
from workload.exhibits.labels import settings
from workload.exhibits.record import Record
from workload.files import write_whole
from workload.report import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

POINTS = 1000  # rows of metrics that are drawn of a long run
# Okabe and Ito's colours, which colour-blind readers can tell apart; black is for `none` alone.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
BAND_NOTE = "|m/w| of all weights: line, median; bands from dark to light, 25-75, 5-95 and 1-99 %"
COLUMNS = 4
MOST_BANDS = 40
"""Runs whose |m/w| is drawn, each in a panel of its own: more take minutes."""
WIDTH = 13  # inches
LINE = 130  # characters beside each other


def plot(runs: Sequence[Run], out: Path) -> Path:
    """Draw runs over steps: learning curves, weight norm, drowned fraction, |m/w| quantiles.

    Runs of several workloads stand below each other. Of more than MOST_BANDS runs of one the first
    have their quantiles drawn, and the figure says so.

    Raises:
        UserError: none can be read, or none has logged anything yet, nor diverged.
    """
    records = [
        record
        for record in read_runs(runs, points=POINTS, whole=True)
        if len(record.metrics[record.step]) or record.status == "diverged"
    ]
    if not records:
        raise UserError("nothing to plot: no run has logged a row yet")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sheets = [(group, _styles(group)) for group in by_workload(records)]
    heights = [h for _, styles in sheets for h in (_curves_height(styles), _bands_height(styles))]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).flat
    for (group, styles), upper, lower in zip(sheets, parts[::2], parts[1::2], strict=True):
        _draw_curves(upper, group, styles)
        _draw_bands(lower, group, styles)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, lambda stream: figure.savefig(stream, format="png"))
    return out


def _curves_height(styles: Sequence[Style]) -> float:
    """Inches, with room for the legend."""
    return 3.6 + 0.21 * math.ceil(len(styles) / _legend_columns(styles))


def _bands_height(styles: Sequence[Style]) -> float:
    return 3.2 * math.ceil(min(len(styles), MOST_BANDS) / COLUMNS)


def _legend_columns(styles: Sequence[Style]) -> int:
    return max(1, min(COLUMNS, LINE // max(len(style["label"]) for style in styles)))


def _draw_curves(figure: "SubFigure", records: Sequence[Record], styles: Sequence[Style]) -> None:
    from matplotlib.ticker import PercentFormatter

    workload = load(records[0].workload)
    learning_curves = workload.report.curves
    norm, drowned, *learning = figure.subplots(1, len(learning_curves) + 2, sharex=True)
    for axes, drawn in zip(learning, learning_curves, strict=True):
        _draw_learning(axes, drawn, records, styles)
        frame(axes, drawn.title, drawn.metric.unit, workload.STEP_KEY)
    for record, style in zip(records, styles, strict=True):
        curve(norm, record, record.metrics, WEIGHT_NORM.key, style)
        # Only in the gradient is the decay inside m; elsewhere it is what would drown if it were.
        faint = {} if SCHEMES[record.member.scheme].in_gradient else {"alpha": 0.4}
        curve(drowned, record, record.metrics, DROWNED.key, style | faint)
    frame(norm, WEIGHT_NORM.label, WEIGHT_NORM.unit, workload.STEP_KEY)
    share = "of all weights (faint: would)"
    frame(drowned, "gradient drowned by decay", share, workload.STEP_KEY)
    drowned.set_ylim(bottom=0)
    drowned.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    handles, names = norm.get_legend_handles_labels()
    figure.legend(
        *(handles, names),
        loc="outside lower center",
        ncols=_legend_columns(styles),
        frameon=False,
    )
    lengths = _common_lengths(records)
    for axes in figure.axes:
        for _, step in lengths.values():
            axes.axvline(step, color="#555555", linewidth=0.9, linestyle=(0, (1, 2)), zorder=0)
    key = workload.LENGTH_KEY
    notes = [f"dotted: {key} {length} of {task}" for task, (length, _) in lengths.items()]
    ends = f" ({', '.join(notes)}, as far as all runs go)" if notes else ""
    figure.suptitle(_title(records) + ends, fontsize=14)


def _draw_learning(
    axes: "Axes", drawn: Curve, records: Sequence[Record], styles: Sequence[Style]
) -> None:
    """Evaluations as curves, under them what was logged in between."""
    for record, style in zip(records, styles, strict=True):
        if drawn.between:
            steps, values = record.column(record.metrics, drawn.metric.key)
            rough = style | {"alpha": 0.3, "linewidth": 1, "linestyle": "-", "label": None}
            axes.plot(steps, values, marker=dot_if_single(steps), fillstyle="none", **rough)
        curve(axes, record, record.evaluations, drawn.metric.key, style, marker="o")
    if not drawn.between and not any(
        record.column(record.evaluations, drawn.metric.key)[0] for record in records
    ):
        axes.set_yticks([])
        middle: Style = {"transform": axes.transAxes, "ha": "center", "va": "center"}
        axes.text(0.5, 0.5, "no evaluation yet", **middle)


def _draw_bands(figure: "SubFigure", records: Sequence[Record], styles: Sequence[Style]) -> None:
    drawn, records = len(records), records[:MOST_BANDS]
    rows, columns = math.ceil(len(records) / COLUMNS), min(len(records), COLUMNS)
    panels = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for axes, record, style in zip(panels, records, styles, strict=False):
        bands(axes, record, style)
        title = textwrap.fill(style["label"], LINE // columns)
        frame(axes, title, "ln |m/w|" if axes in panels[::columns] else "", record.step)
        axes.tick_params(labelbottom=True)
    for axes in panels[len(records) :]:
        axes.set_visible(False)
    rest = f"; the first {len(records)} of {drawn} runs" if drawn > len(records) else ""
    figure.supxlabel(BAND_NOTE + rest, fontsize=10)


def _common_lengths(records: Sequence[Record]) -> dict[str, tuple[int, float]]:
    """By task, where its runs are of unequal length: the shortest, and at which step it ends."""
    found = {}
    for task in dict.fromkeys(record.full_task for record in records):
        own = [record for record in records if record.full_task == task and record.length_is_free]
        shortest = min((record.length for record in own), default=0)
        ends = [end for record in own if (end := record.end_of(shortest)) is not None]
        if ends and any(record.length > shortest for record in own):
            found[own[0].task] = shortest, max(ends)
    return found


def _title(records: Sequence[Record]) -> str:
    return ", ".join(sorted({record.task for record in records}))


def _styles(records: Sequence[Record]) -> list[Style]:
    """Colour by all but the seed; line style by seed, or like the colour when seeds are equal.

    Rings of different sizes stay visible where points coincide.
    """
    own = groups(records)
    names = list(dict.fromkeys(own))
    schemes = [record.member.scheme for record in records]
    seeds = list(dict.fromkeys(record.member.seed for record in records))
    one_group_each = len(set(schemes)) == len(names)
    styles = []
    for number, (record, group, label) in enumerate(
        zip(records, own, labels(records), strict=True)
    ):
        index, scheme = names.index(group), record.member.scheme
        seed, again = seeds.index(record.member.seed), index // len(COLOURS)
        style = seed + again * len(seeds) if len(seeds) > 1 else index
        colour = SCHEMES[scheme].colour if one_group_each else COLOURS[index % len(COLOURS)]
        styles.append(
            {
                "color": colour,
                "linestyle": STYLES[style % len(STYLES)],
                "label": label + (" (diverged)" if record.status == "diverged" else ""),
                "markersize": 4 + 2.5 * ((len(records) - 1 - number) % len(STYLES)),
            }
        )
    return styles


def labels(records: Sequence[Record]) -> list[str]:
    """What legends call the runs, e.g. `l2-1e-3 decay_schedule=early:10 seed0`."""
    return [
        f"{group} seed{record.member.seed}"
        for group, record in zip(groups(records), records, strict=True)
    ]


def groups(records: Sequence[Record]) -> list[str]:
    """The labels without the seed: equal where runs of a workload differ in nothing else."""
    several = len({record.task for record in records}) > 1
    task_key = load(records[0].workload).TASK_KEY
    members = [record.member for record in records]
    own = settings(members, [record.values for record in records], {task_key})
    return [
        f"{record.task} {setting}" if several else setting
        for record, setting in zip(records, own, strict=True)
    ]
