"""The four measures of sharpness of finished runs, a bar per variant (Figure 2)."""

from collections.abc import Callable
from typing import Any

from vision.exhibits.figures import SCHEDULES
from vision.exhibits.variants import Variant, name_of, styles, variants
from vision.sharpness_file import GAMMA, final_sharpness, value_at
from workload.exhibits.document import Picture, Table, cell
from workload.exhibits.drawing import legend, legend_lines, logarithmic, panels, picture
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record

MEASURES: dict[str, Callable[[dict[str, Any]], float | None]] = {
    "top eigenvalue": lambda found: float(found["top"]["value"]),
    "Keskar": lambda found: float(found["keskar"]),
    "additive, A": lambda found: value_at(found, "additive", "loss"),
    f"multiplicative, S({GAMMA:g})": lambda found: value_at(found, "multiplicative", "loss"),
    "S - L": lambda found: value_at(found, "multiplicative", "difference"),
}


def _keep(record: Record) -> bool:
    return name_of(record) in SCHEDULES[:-1] and record.values["norm"] == "batch"


def sharpness_figure(grid: RecordGrid, task: str, name: str) -> Picture | None:
    """A panel per measure; None where `wdbench sharpness` has measured no run of the task."""
    from matplotlib.patches import Patch

    measured = _measured(grid, task)
    if not measured:
        return None
    drawn = styles([variant for variant, _ in measured])
    handles = [Patch(label=label, color=style["color"]) for label, style in drawn.items()]
    figure, axes = panels(1, len(MEASURES), 1.6, gap=0.48, lines=legend_lines(handles))
    for panel, (title, measure) in zip(axes, MEASURES.items(), strict=True):
        for place, (variant, found) in enumerate(measured):
            values = [value for each in found if (value := measure(each)) is not None]
            if not values:
                continue
            colour = drawn[variant.label]["color"]
            panel.bar(place, sum(values) / len(values), color=colour, alpha=0.6)
            panel.plot([place] * len(values), values, "o", color="black", markersize=2)
        panel.set_title(title)
        panel.set_xticks([])
        if title == "top eigenvalue":
            logarithmic(panel, "y")
    legend(figure, handles)
    caption = (
        f"{task}: sharpness of the final networks in eval mode (Figure 2 of Bjorck et al.): "
        "the Hessian's largest eigenvalue on a logarithmic scale, Keskar's measure, the mean loss "
        "under additive and under multiplicative noise, and the latter less the loss itself. "
        "Bars: means over seeds; dots: seeds."
    )
    return picture(name, f"{task}: sharpness", caption, figure)


def sharpness_table(grid: RecordGrid, task: str, name: str) -> Table | None:
    """The same numbers, with the loss and the Hessian's other figures."""
    measured = _measured(grid, task)
    if not measured:
        return None
    columns: dict[str, Callable[[dict[str, Any]], float | None]] = {
        "L": lambda found: float(found["loss"]),
        **MEASURES,
        "bottom eigenvalue": lambda found: float(found["bottom"]["value"]),
        "trace": lambda found: float(found["trace"]["value"]),
    }
    rows, data = [], []
    for variant, found in measured:
        means = []
        for measure in columns.values():
            values = [value for each in found if (value := measure(each)) is not None]
            means.append(sum(values) / len(values) if values else None)
        texts = ["-" if mean is None else f"{mean:.4g}" for mean in means]
        rows.append(tuple(map(cell, [variant.label, str(len(found)), *texts])))
        data.append((variant.label, len(found), *means))
    return Table(
        name=name,
        title=f"{task}: sharpness",
        caption=(
            f"{task}: means over seeds of what `wdbench sharpness` measured on final networks."
            + _unlike(measured)
        ),
        head=("decay", "seeds", *columns),
        rows=tuple(rows),
        data_head=("decay", "seeds", *columns),
        data=tuple(data),
    )


def _measured(grid: RecordGrid, task: str) -> list[tuple[Variant, list[dict[str, Any]]]]:
    """The variants that have been measured, with each seed's numbers."""
    found = []
    for variant in variants(grid, task, _keep):
        numbers = [each for record in variant.records if (each := final_sharpness(record))]
        if numbers:
            found.append((variant, numbers))
    return found


def _unlike(measured: list[tuple[Variant, list[dict[str, Any]]]]) -> str:
    """A sentence where runs were not measured alike."""
    ways = {
        tuple((key, each.get(key)) for key in ("images", "draws", "epsilon"))
        for _, found in measured
        for each in found
    }
    if len(ways) == 1:
        return ""
    texts = sorted(", ".join(f"{key} {value}" for key, value in way) for way in ways)
    return f" They were not measured alike: {'; '.join(texts)}."
