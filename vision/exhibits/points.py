"""Runs as points: what they came to against a number of their recipe."""

import re
from collections.abc import Callable, Mapping, Sequence

from shared_optim.schemes import BASELINE
from vision.exhibits.variants import name_of
from vision.metrics import AVERAGED_ACCURACY, TEST_ACCURACY
from vision.sharpness_file import final_sharpness
from workload.exhibits.document import Picture
from workload.exhibits.drawing import legend, legend_lines, logarithmic, panels, picture
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record

Points = Mapping[str, Mapping[float, Sequence[float]]]
"""By label and by x the values of the seeds."""
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#777777")


def rates_figure(grid: RecordGrid, task: str, name: str) -> Picture | None:
    """Test accuracy against the learning rate; None where no kind of run has several rates."""
    records = [r for r in _finished(grid, task) if not r.values.get("branch")]
    rates: dict[str, set[float]] = {}
    for record in records:
        rates.setdefault(_kind(record), set()).add(float(record.values["learning_rate"]))
    chosen = [record for record in records if len(rates[_kind(record)]) > 1]

    def points(value: Callable[[Record], float | None]) -> Points:
        return _points(chosen, _kind, lambda r: float(r.values["learning_rate"]), value)

    shown = {
        "test accuracy, %": points(lambda r: r.scores[TEST_ACCURACY.key]),
        "of the mean of the weights, %": points(lambda r: r.newest.get(AVERAGED_ACCURACY.key)),
    }
    return _figure(
        name,
        f"{task}: learning rates",
        f"{task}: test accuracy at the end against the peak learning rate. Lines: means over "
        "seeds; dots: seeds.",
        shown,
        "learning rate",
        log_x=True,
    )


def branches_figure(grid: RecordGrid, task: str, name: str) -> Picture | None:
    """What branches come to against the epoch of their trunk; None where there are none."""
    records = [r for r in _finished(grid, task) if r.values.get("branch")]
    trunks = {record.path: _trunk(record) for record in records}
    shared = set.intersection(*(set(parts) for parts in trunks.values())) if trunks else set()

    def label(record: Record) -> str:
        parts = trunks[record.path]
        return " ".join(part for part in parts if part not in shared) or " ".join(parts)

    def points(value: Callable[[Record], float | None]) -> Points:
        return _points(records, label, lambda r: float(r.recipe.branch_epoch), value)

    return _figure(
        name,
        f"{task}: branches",
        f"{task}: runs that went on from others after an epoch: test accuracy, and the trace "
        "of the Hessian where `wdbench sharpness` has measured it. Lines: means over seeds; dots: "
        "seeds.",
        {
            "test accuracy, %": points(lambda r: r.scores[TEST_ACCURACY.key]),
            "trace of the Hessian": points(_trace),
        },
        "branches after epoch",
    )


def _finished(grid: RecordGrid, task: str) -> list[Record]:
    records = [record for row in grid.rows_of(task) for record in grid.at(row, task)]
    return [record for record in records if TEST_ACCURACY.key in record.scores]


def _kind(record: Record) -> str:
    """What runs at different rates have alike, as a legend says it."""
    decay = [] if record.member.scheme == BASELINE else [record.member.name]
    plain = ["without normalisation"] if record.values["norm"] == "none" else []
    return ", ".join([name_of(record), *decay, *plain])


def _trunk(record: Record) -> list[str]:
    """The parts of the name of the run that a branch went on from."""
    return re.split(r",(?=[a-z_0-9]+=)", record.recipe.branch_run)


def _trace(record: Record) -> float | None:
    found = final_sharpness(record)
    return None if found is None else float(found["trace"]["value"])


def _points(
    records: Sequence[Record],
    label: Callable[[Record], str],
    x: Callable[[Record], float],
    y: Callable[[Record], float | None],
) -> Points:
    found: dict[str, dict[float, list[float]]] = {}
    for record in records:
        if (value := y(record)) is not None:
            found.setdefault(label(record), {}).setdefault(x(record), []).append(value)
    return found


def _figure(
    name: str,
    title: str,
    caption: str,
    shown: Mapping[str, Points],
    x: str,
    *,
    log_x: bool = False,
) -> Picture | None:
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    drawn = {unit: points for unit, points in shown.items() if points}
    if not drawn:
        return None
    labels = list(dict.fromkeys(label for points in drawn.values() for label in points))
    colours = {label: _COLOURS[n % len(_COLOURS)] for n, label in enumerate(labels)}
    handles = [Line2D([], [], label=label, color=colour) for label, colour in colours.items()]
    figure, axes = panels(1, len(drawn), 1.8, gap=0.6, lines=legend_lines(handles))
    for panel, (unit, points) in zip(axes, drawn.items(), strict=True):
        for label, by_x in points.items():
            places = sorted(by_x)
            means = [sum(by_x[place]) / len(by_x[place]) for place in places]
            panel.plot(places, means, color=colours[label])
            seeds = [(place, value) for place in places for value in by_x[place]]
            panel.plot(*zip(*seeds, strict=True), "o", color=colours[label], markersize=2)
        if log_x:
            logarithmic(panel, "x")
        else:  # epochs
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.yaxis.set_major_formatter(StrMethodFormatter("{x:.4g}"))
        panel.set_ylabel(unit)
        panel.set_xlabel(x)
    legend(figure, handles)
    return picture(name, title, caption, figure)
