"""The performance profile falls at the runs' scores."""

import statistics

import pytest

from rl.exhibits.aggregates import Normalised
from rl.exhibits.profile import profile_figure
from tests.workload.exhibits.drawn import figures, lines, panels
from tests.workload.exhibits.pong import RETURNS, pong_grid


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    return pong_grid(tmp_path_factory.mktemp("runs"))


def test_the_profile_falls_from_one_to_zero_at_the_runs_scores(grid):
    with figures() as found:
        profile_figure(grid, Normalised.of(grid))
    for scheme, axes in panels(found["performance_profile"]).items():
        rows = [("none", 0.0), *(place for place in RETURNS if place[0] == scheme)]
        for (taus, shares), place in zip(lines(axes), rows, strict=True):
            scores = [(statistics.mean(r) + 20.7) / (14.6 + 20.7) for r in RETURNS[place]]
            assert shares == [sum(score > tau for score in scores) / 2 for tau in taus]
            assert (shares[0], shares[-1]) == (1, 0)
