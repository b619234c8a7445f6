"""Panels of runs that have logged little."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from suite.results.panels import bands, curve, frame
from suite.results.records import read_runs
from suite.results.run_plot import _draw_curves, _styles
from tests.suite.fake_training import metrics_row
from tests.suite.run_files import make_run


def test_a_single_point_is_drawn_with_a_marker(tmp_path):
    rows = [metrics_row(1000), {"agent_steps": 2000}]
    (record,) = read_runs([make_run(tmp_path, rows=rows)])
    (style,) = _styles([record])
    for draw in (
        lambda axes: curve(axes, record, record.metrics, "optim/weight_norm", style),
        lambda axes: bands(axes, record, style),
    ):
        axes = Figure().subplots()
        draw(axes)
        (line,) = axes.lines
        assert line.get_marker() == "o"
        assert all(band.get_linewidth()[0] > 0 for band in axes.collections)


def test_a_label_is_no_longer_than_its_axis_however_long_the_unit_is():
    figure = Figure(figsize=(13, 3.8), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    frame(axes, "title", "loss of a fixed window, " * 3, "updates")
    figure.canvas.draw()
    assert axes.yaxis.label.get_window_extent().height <= axes.get_window_extent().height


def test_an_empty_evaluation_panel_says_so_and_coinciding_dots_show(tmp_path):
    for scores, said in (([], True), ([{"train/return": -20.0, "eval/return": -20.0}], False)):
        runs = [make_run(tmp_path / str(said), seed=seed, scores=scores) for seed in (0, 1)]
        records = read_runs(runs)
        figure = Figure()
        _draw_curves(figure, records, _styles(records))
        evaluation = next(axes for axes in figure.get_axes() if axes.get_title() == "evaluation")
        assert ["no evaluation yet"] * said == [text.get_text() for text in evaluation.texts]
    first, second = evaluation.lines
    assert first.get_markersize() > second.get_markersize()
    assert {line.get_fillstyle() for line in evaluation.lines} == {"none"}


def test_the_line_of_pure_decay_is_drawn_only_where_decay_is_always_on(tmp_path):
    for schedule, lines in (("always", 2), ("early:10", 1)):
        run = make_run(tmp_path, "l2", 1e-3, rows=[metrics_row(1000)], decay_schedule=schedule)
        axes = Figure().subplots()
        bands(axes, *read_runs([run]), {"color": "black"})
        assert len(axes.lines) == lines
