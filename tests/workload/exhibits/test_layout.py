"""Nothing in a figure covers another thing or is cut off: text, legends, panels."""

import itertools
import json

import pytest

from nlp.exhibits.bleu_curves import bleu_figure
from nlp.metrics import BLEU
from rl.exhibits.aggregates import Normalised
from rl.exhibits.profile import profile_figure
from rl.exhibits.returns import evaluation_returns, training_returns
from rl.exhibits.table_1 import BJORCK
from rl.metrics import RETURN
from tests.suite.results.runs import game_run, grid_of, inside, translation_run
from tests.workload.exhibits.drawn import figures
from tests.workload.exhibits.hostile import NAMES
from workload.exhibits.lambda_sweep import lambda_sweep
from workload.exhibits.optimizer_figures import norm_figure, quantile_figure

pytestmark = pytest.mark.slow

PAPERS = ("l2", "decoupled", "separated")
TABLE_1 = [
    ("none", 0.0),
    *((scheme, 10.0**-power) for scheme in PAPERS for power in (3, 4, 5)),
    *(("l2", 10.0**-power) for power in (6, 7, 8)),
]
SLACK = 1.0  # pixels of 1/200 inch


def metrics(norms, key="agent_steps"):
    return [inside(1000 * step, norm, key=key) for step, norm in enumerate(norms, 1)]


def paper(folder):
    """All 13 rows on two games, as far as Dopamine's first points; one run diverged."""
    runs = []
    for game, (scheme, decay) in itertools.product(("Pong", "SpaceInvaders"), TABLE_1):
        norms = [30.0, 0.5, 2e-4] if (scheme, decay) == ("l2", 1e-3) else [30.0, 31.0, 32.0]
        status = "diverged" if (scheme, decay) == ("l2", 1e-4) else "finished"
        run = game_run(folder, game, scheme, decay, 0, [1.0, 3000.0], status, metrics(norms))
        rows = [json.loads(line) for line in (run.path / "eval.jsonl").read_text().splitlines()]
        text = "".join(
            json.dumps(row | {"agent_steps": 3_000_000 * place}) + "\n"
            for place, row in enumerate(rows, 1)
        )
        (run.path / "eval.jsonl").write_text(text)
        runs.append(run)
    return grid_of(runs)


def schedules(folder):
    """Four schedules of three schemes: long labels."""
    return grid_of(
        [
            game_run(
                *(folder, "Breakout", scheme, decay, 0, [1.0, 2.0], "finished"),
                metrics([100.0, 2.0]),
                decay_schedule=schedule,
            )
            for scheme, decay in (("none", 0.0), ("l2", 1e-3), ("separated", 1e-3))
            for schedule in ("always", "early:1000000", "late:1000000", "stuttered:100000")
        ]
    )


def one_lambda(folder):
    """One lambda that is no power of ten, and norms that hardly move."""
    places = [("none", 0.0), ("decoupled", 3e-4)]
    return grid_of(
        [game_run(folder, "Pong", *p, 0, [1.0], "finished", metrics([31.0, 31.5])) for p in places]
    )


def game_figures(grid):
    for game in grid.tasks:
        training_returns(grid, game)
    evaluation_returns(grid, grid.tasks[0])
    quantile_figure(grid, grid.tasks[0], "quantiles")
    norm_figure(grid, "norms")
    lambda_sweep(grid, RETURN, "stability", published=BJORCK)
    profile_figure(grid, Normalised.of(grid))


def corpora(folder):
    """Two corpora with three lambdas of each scheme."""
    return grid_of(
        [
            translation_run(
                folder, data, *place, 0, (30.0, 31.0), rows=metrics([90, 80], "updates")
            )
            for data in ("iwslt14", "a-corpus-with-quite-a-long-name")
            for place in TABLE_1[:10]
        ]
    )


def hostile(folder):
    """Corpora whose names would be formulas, markup or wider than a page."""
    names = (*(name.replace("/", "") for name in NAMES[:4]), "x" * 90)
    return grid_of(
        [
            translation_run(
                folder, name, *place, 0, (30.0, 31.0), rows=metrics([90, 80], "updates")
            )
            for name in names
            for place in (("none", 0.0), ("l2", 1e-3))
        ]
    )


def corpus_figures(grid):
    bleu_figure(grid, grid.tasks[0], "bleu")
    quantile_figure(grid, grid.tasks[0], "quantiles")
    norm_figure(grid, "norms")
    lambda_sweep(grid, BLEU, "stability", label="test BLEU, tokenised")


CASES = {
    "paper": (paper, game_figures),
    "schedules": (schedules, game_figures),
    "one lambda": (one_lambda, game_figures),
    "corpora": (corpora, corpus_figures),
    "hostile": (hostile, corpus_figures),
}


@pytest.fixture(scope="module", params=CASES)
def drawn(request, tmp_path_factory):
    """The figures of a case, laid out."""
    make, draw = CASES[request.param]
    with figures() as found:
        draw(make(tmp_path_factory.mktemp("runs")))
        for figure in found.values():
            figure.canvas.draw()
    return found


def boxes(figure):
    """What is seen, with its place in pixels: panels with labels and title, and legends."""
    renderer = figure.canvas.get_renderer()
    shown = [axes for axes in figure.axes if axes.get_visible()]
    found = [(f"panel {axes.get_title()!r}", axes.get_tightbbox(renderer)) for axes in shown]
    found += [
        (f"legend {place}", legend.get_window_extent(renderer))
        for place, legend in enumerate(figure.legends)
    ]
    return found


def overlap(one, other):
    return (
        min(one.x1, other.x1) - max(one.x0, other.x0) > SLACK
        and min(one.y1, other.y1) - max(one.y0, other.y0) > SLACK
    )


def test_panels_and_legends_do_not_cover_each_other(drawn):
    covered = [
        (name, one, other)
        for name, figure in drawn.items()
        for (one, first), (other, second) in itertools.combinations(boxes(figure), 2)
        if overlap(first, second)
    ]
    assert covered == []


def test_nothing_is_cut_off_at_the_edge_of_the_figure(drawn):
    cut = [
        (name, one)
        for name, figure in drawn.items()
        for one, box in boxes(figure)
        if box.x0 < -SLACK
        or box.y0 < -SLACK
        or box.x1 > figure.bbox.width + SLACK
        or box.y1 > figure.bbox.height + SLACK
    ]
    assert cut == []


def ticks(axis):
    """Labels of an axis within its limits, from low to high, with their places."""
    low, high = sorted(axis.get_view_interval())
    return [
        tick.label1
        for tick in axis.get_major_ticks()
        if low <= tick.get_loc() <= high and tick.label1.get_visible() and tick.label1.get_text()
    ]


def test_labels_of_an_axis_do_not_run_into_each_other(drawn):
    for name, figure in drawn.items():
        renderer = figure.canvas.get_renderer()
        for axes in figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                extents = [label.get_window_extent(renderer) for label in ticks(axis)]
                for one, other in itertools.combinations(extents, 2):
                    assert not overlap(one, other), (name, axes.get_title())


def test_every_row_of_panels_has_labels_on_its_first_axis(drawn):
    for name, figure in drawn.items():
        first = figure.axes[0]
        assert len(ticks(first.yaxis)) >= 2, name
        column = [axes for axes in figure.axes if axes.get_visible()][-1]
        assert len(ticks(column.xaxis)) >= 1, name
