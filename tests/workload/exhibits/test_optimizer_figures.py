"""Quantiles of |m/w| and weight norms: medians, means and levels of the runs."""

import math

import pytest

from tests.suite.results.runs import game_run, grid_of
from tests.workload.exhibits.drawn import figures, lines, panels
from tests.workload.exhibits.pong import SHIFTS, STEPS, metrics, pong_grid
from workload.exhibits.optimizer_figures import norm_figure, quantile_figure


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    return pong_grid(tmp_path_factory.mktemp("runs"))


def test_quantiles_are_the_median_over_seeds_and_l2_has_its_lambda(grid):
    with figures() as found:
        quantile_figure(grid, "Pong", "quantiles")
    drawn = panels(found["quantiles"])
    assert list(drawn) == ["none", "l2 1e-3", "separated 1e-3", "l2 1e-4"]
    for (scheme, decay), title in zip(
        [("none", 0.0), ("l2", 1e-3), ("separated", 1e-3), ("l2", 1e-4)], drawn, strict=True
    ):
        middle, *dotted = lines(drawn[title])
        # q50 is -9 with the row's shift, and one more for the second seed
        assert middle == (STEPS, [-9.0 + SHIFTS[scheme, decay] + 0.5] * 3)
        levels = [y for _, y in dotted]
        assert levels == ([[math.log(decay)] * 2] if scheme == "l2" else [])
        bottom, top = drawn[title].collections[0].get_paths()[0].get_extents().get_points()[:, 1]
        assert (bottom, top) == pytest.approx(
            (-20 + SHIFTS[scheme, decay] + 0.5, -3 + SHIFTS[scheme, decay] + 0.5)
        )


def test_a_schedule_has_no_level_that_m_would_come_down_to(tmp_path):
    run = game_run(
        *(tmp_path, "Pong", "l2", 1e-3, 0, [1.0]),
        rows=metrics(("l2", 1e-3), 0),
        decay_schedule="early:100",
    )
    with figures() as found:
        quantile_figure(grid_of([run]), "Pong", "quantiles")
    (axes,) = panels(found["quantiles"]).values()
    assert len(axes.get_lines()) == 1


def test_weight_norms_are_means_on_a_logarithmic_axis(grid):
    with figures() as found:
        norm_figure(grid, "norms")
    drawn = panels(found["norms"])
    assert list(drawn) == ["Pong: l2", "Pong: separated"]
    for axes in drawn.values():
        assert axes.get_yscale() == "log"
        for line in lines(axes):
            assert line == (STEPS, [15.0 * step for step in STEPS])
