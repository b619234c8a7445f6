"""Runs as points: which are drawn, where, and under which labels."""

import pytest

from tests.suite.results.runs import grid_of
from tests.vision.exhibits.image_runs import image_run, study
from tests.workload.exhibits.drawn import legend_texts
from vision.exhibits import points
from vision.exhibits.points import branches_figure, rates_figure
from vision.exhibits.variants import name_of, variants

TRUNK = "l2-1e-2,learning_rate={},momentum=0.0@1"


@pytest.fixture
def panels(monkeypatch):
    """The axes of the figures that are drawn."""
    drawn = []
    plain = points.panels

    def keep(*arguments, **options):
        figure, axes = plain(*arguments, **options)
        drawn.extend(axes)
        return figure, axes

    monkeypatch.setattr(points, "panels", keep)
    return drawn


def line(panel, place):
    """Places and means of a label: each has a line and its seeds' dots."""
    return [list(map(float, values)) for values in panel.lines[2 * place].get_data()]


def test_accuracy_against_the_rate(tmp_path, panels):
    """Means of two seeds at each rate; a kind of run with one rate is left out."""
    runs = [
        image_run(tmp_path, accuracy + seed, scheme="none", seed=seed, sphere=True, learning_rate=a)
        for seed in (0, 2)
        for a, accuracy in ((1e-3, 60.0), (1e-2, 70.0), (1e-1, 40.0))
    ]
    runs.append(image_run(tmp_path, 55.0))
    assert rates_figure(grid_of(runs), "patterns", "rates").png.startswith(b"\x89PNG")
    (panel,) = panels
    assert line(panel, 0) == [[1e-3, 1e-2, 1e-1], [61.0, 71.0, 41.0]]
    assert panel.get_xscale() == "log"
    panel.figure.canvas.draw()
    ticks = [text.get_text() for text in panel.get_xticklabels()]
    assert {"0.001", "0.01", "0.1"} <= set(ticks)
    assert not any("$" in text for text in ticks)
    assert legend_texts(panel.figure) == ["none, on the sphere"]
    seeds = sorted(map(float, panel.lines[1].get_ydata()))
    assert seeds == [40.0, 42.0, 60.0, 62.0, 70.0, 72.0]


def test_branches_against_their_epoch(tmp_path, panels):
    """A label per trunk, told by what is not shared; the trace of those that were measured."""
    runs = [
        image_run(
            *(tmp_path, accuracy),
            scheme="none",
            branch=TRUNK.format(rate),
            learning_rate=1e-4,
            sharpness=(1.0, 1.0) if rate == 0.1 else None,
        )
        for rate, accuracy in ((0.1, 80.0), (0.2, 70.0))
    ]
    runs.append(image_run(tmp_path, 90.0, momentum=0.0))
    assert branches_figure(grid_of(runs), "patterns", "branches") is not None
    accuracy, trace = panels
    assert [line(accuracy, place) for place in (0, 1)] == [[[1.0], [80.0]], [[1.0], [70.0]]]
    assert line(trace, 0) == [[1.0], [100.0]]
    assert legend_texts(accuracy.figure) == ["learning_rate=0.1", "learning_rate=0.2"]


def test_studies_without_rates_or_branches(tmp_path):
    grid = grid_of([image_run(tmp_path, 50), image_run(tmp_path, 60, scheme="none")])
    assert rates_figure(grid, "patterns", "rates") is None
    assert branches_figure(grid, "patterns", "branches") is None


def test_branches_and_spheres_are_no_runs_of_the_papers_figures(tmp_path):
    """They have names of their own, so no claim takes them for decay always."""
    runs = [image_run(tmp_path, 50, branch=TRUNK.format(0.1)), image_run(tmp_path, 60, sphere=True)]
    names = [variant.name for variant in variants(grid_of(runs), "patterns")]
    assert sorted(names) == ["always, branch", "always, on the sphere"]
    assert not set(names) & {
        name_of(record) for v in variants(study(tmp_path), "patterns") for record in v.records
    }
