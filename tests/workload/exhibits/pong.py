"""Four rows of two seeds on Pong, with returns and norms that a person can check."""

import statistics

from tests.suite.results.runs import game_run, grid_of, inside

RETURNS = {
    ("none", 0.0): [[1.0, 2.0, 3.0], [3.0, 4.0, 8.0]],
    ("l2", 1e-3): [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]],
    ("l2", 1e-4): [[2.0, 2.0, 2.0], [2.0, 4.0, 6.0]],
    ("separated", 1e-3): [[5.0, 6.0, 7.0], [5.0, 8.0, 9.0]],
}
STEPS = [1000, 2000, 3000]
SHIFTS = {("none", 0.0): -3.0, ("l2", 1e-3): 1.0, ("l2", 1e-4): 2.0, ("separated", 1e-3): -4.0}


def metrics(place, seed):
    return [inside(step, 10.0 * (seed + 1) * step, SHIFTS[place] + seed) for step in STEPS]


def pong_grid(folder):
    runs = [
        game_run(folder, "Pong", *place, seed, returns, rows=metrics(place, seed))
        for place, both in RETURNS.items()
        for seed, returns in enumerate(both)
    ]
    return grid_of(runs)


def means(*places):
    return [
        [statistics.mean(pair) for pair in zip(*RETURNS[place], strict=True)] for place in places
    ]
