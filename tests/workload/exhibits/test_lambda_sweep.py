"""Score against lambda, with the paper's points."""

import statistics

import pytest

from rl.exhibits.table_1 import BJORCK
from rl.metrics import RETURN
from tests.suite.results.runs import game_run, grid_of
from tests.workload.exhibits.drawn import figures, legend_texts, lines, panels
from tests.workload.exhibits.pong import RETURNS, pong_grid
from workload.exhibits.lambda_sweep import lambda_sweep


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    return pong_grid(tmp_path_factory.mktemp("runs"))


def test_the_score_stands_over_lambda_with_deviations_and_the_papers_points(grid):
    with figures() as found:
        lambda_sweep(grid, RETURN, "stability", published=BJORCK)
    axes = panels(found["stability"])["Pong"]
    assert axes.get_xscale() == "log"
    final = {
        place: [statistics.mean(returns) for returns in both] for place, both in RETURNS.items()
    }
    l2, separated = axes.containers
    for container, places in (
        (l2, [("l2", 1e-4), ("l2", 1e-3)]),
        (separated, [("separated", 1e-3)]),
    ):
        line, _, (vertical,) = container.lines
        assert line.get_xdata().tolist() == [decay for _, decay in places]
        assert line.get_ydata().tolist() == pytest.approx(
            [statistics.mean(final[place]) for place in places]
        )
        for segment, place in zip(vertical.get_segments(), places, strict=True):
            mean, deviation = statistics.mean(final[place]), statistics.stdev(final[place])
            assert segment[:, 1].tolist() == pytest.approx([mean - deviation, mean + deviation])
    level = statistics.mean(final["none", 0.0])
    points = lines(axes)
    assert ([0, 1], [level, level]) in points
    assert ([1e-4], [-14]) in points  # the paper's l2 on Pong; its -27 at 1e-3 is a misprint
    assert not any(22 in y for _, y in points)  # as its separated is


def test_the_papers_points_are_in_the_legend_where_it_has_any(tmp_path):
    """The paper has 1e-4 and not 3e-4; at 1e-3 it has a misprint."""
    for decay, said in ((1e-4, True), (3e-4, False), (1e-3, False)):
        places = [("none", 0.0), ("l2", decay)]
        runs = [game_run(tmp_path / f"{decay}", "Pong", *place, 0, [1.0]) for place in places]
        with figures() as found:
            picture = lambda_sweep(grid_of(runs), RETURN, "stability", published=BJORCK)
        assert ("the paper's" in legend_texts(found["stability"])) is said
        assert ("Hollow: Table 1" in picture.caption) is said
