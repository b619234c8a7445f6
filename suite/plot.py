"""`wdbench plot RUN...`: learning curves and the inside of the optimizer as one PNG."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.errors import UserError
from suite.history import History, column
from suite.run_directory import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers; darkest first, yellow left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
BANDS = (("q01", "q99", 0.15), ("q05", "q95", 0.2), ("q25", "q75", 0.35))
COLUMNS = 4


def main(argv: list[str], prog: str) -> int:
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directory")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="PNG; default RUN/plot.png, or plot.png for several",
    )
    options = parser.parse_args(argv)
    runs = [Run.at(path) for path in options.runs]
    out = options.out or (runs[0].path / "plot.png" if len(runs) == 1 else Path("plot.png"))
    if out.suffix.lower() != ".png":
        raise UserError(f"--out: {out} does not end in .png")
    print(plot(runs, out))
    return 0


def plot(runs: Sequence[Run], out: Path) -> Path:
    """Draw runs over agent steps: returns, weight norm, drowned fraction, |m/w| quantiles.

    Raises:
        UserError: none of the runs has logged anything yet.
    """
    histories = [history for history in map(History.of, runs) if history.metrics]
    if not histories:
        raise UserError("nothing to plot: no run has logged a row yet")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    band_rows = math.ceil(len(histories) / COLUMNS)
    figure = Figure(figsize=(15, 3.6 * (1 + band_rows) + 0.6), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    _draw(figure, histories, band_rows)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.tmp")
    figure.savefig(temporary, format="png")
    temporary.replace(out)
    return out


def _draw(figure: "Figure", histories: Sequence[History], band_rows: int) -> None:
    grid = figure.add_gridspec(1 + band_rows, COLUMNS)
    styles = _styles(histories)
    top = [figure.add_subplot(grid[0, i]) for i in range(COLUMNS)]
    for history, style in zip(histories, styles, strict=True):
        _returns(top[0], history, "train/return", style, windows=True)
        _returns(top[1], history, "eval/return", style, windows=False)
        _curve(top[2], history, "optim/weight_norm", style)
        _curve(top[3], history, "optim/drowned_fraction", style)
    _frame(top[0], "return while training", "return per episode")
    _frame(top[1], "return while evaluating", "return per episode")
    _frame(top[2], "weight norm", "2-norm of all weights")
    _frame(top[3], "weights whose gradient the decay drowns", "share of weights")
    top[3].set_ylim(-0.02, 1.02)
    first: Axes | None = None
    for i, (history, style) in enumerate(zip(histories, styles, strict=True)):
        axes = figure.add_subplot(grid[1 + i // COLUMNS, i % COLUMNS], sharey=first)
        first = first or axes
        _bands(axes, history, style)
        _frame(axes, style["label"], "ln |m/w|" if i % COLUMNS == 0 else "")
    handles, labels = top[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    figure.suptitle(_title(histories), fontsize=14)


def _title(histories: Sequence[History]) -> str:
    return ", ".join(sorted({h.run.path.parent.parent.name for h in histories}))


def _styles(histories: Sequence[History]) -> list[dict[str, Any]]:
    """Colour by scheme and lambda; line style by seed, or by colour where every one has one."""
    names = list(dict.fromkeys(h.run.path.parent for h in histories))
    seeds = list(dict.fromkeys(h.run.config["member"]["seed"] for h in histories))
    several_games = len({h.run.path.parent.parent for h in histories}) > 1
    styles = []
    for history in histories:
        name, seed = history.run.path.parent, history.run.config["member"]["seed"]
        colour = names.index(name)
        style = seeds.index(seed) if len(seeds) > 1 else colour
        label = history.run.label
        if several_games:
            label = f"{name.parent.name} {label}"
        if history.status == "diverged":
            label += " (diverged)"
        styles.append(
            {
                "color": COLOURS[colour % len(COLOURS)],
                "linestyle": STYLES[style % len(STYLES)],
                "label": label,
            }
        )
    return styles


def _returns(
    axes: "Axes", history: History, key: str, style: dict[str, Any], *, windows: bool
) -> None:
    """Means per iteration; behind them, thin, the means per row of metrics."""
    if windows:
        axes.plot(*column(history.metrics, key), color=style["color"], alpha=0.35, linewidth=1)
    steps, values = column(history.evaluations, key)
    axes.plot(steps, values, marker="o", markersize=4, **style)
    _mark_divergence(axes, history, steps, values)


def _curve(axes: "Axes", history: History, key: str, style: dict[str, Any]) -> None:
    steps, values = column(history.metrics, key)
    axes.plot(steps, values, **style)
    _mark_divergence(axes, history, steps, values)


def _bands(axes: "Axes", history: History, style: dict[str, Any]) -> None:
    key = "optim/log_m_over_w/"
    for low, high, alpha in BANDS:
        steps, lows = column(history.metrics, key + low)
        _, highs = column(history.metrics, key + high)
        axes.fill_between(steps, lows, highs, color=style["color"], alpha=alpha, linewidth=0)
    steps, medians = column(history.metrics, key + "q50")
    axes.plot(steps, medians, color=style["color"], linewidth=1.5)
    _mark_divergence(axes, history, steps, medians)


def _mark_divergence(
    axes: "Axes", history: History, steps: Sequence[float], values: Sequence[float]
) -> None:
    if history.status == "diverged" and steps:
        axes.plot(steps[-1], values[-1], marker="X", markersize=10, color="#CC0000", zorder=5)


def _frame(axes: "Axes", title: str, y_label: str) -> None:
    from matplotlib.ticker import EngFormatter

    axes.set_title(title, fontsize=11)
    axes.set_xlabel("agent steps")
    axes.set_ylabel(y_label)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
