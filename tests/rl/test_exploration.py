import numpy as np
import pytest
import torch

from rl.exploration import annealed_epsilon, epsilon_greedy, greedy_actions
from rl.network import Weights, initial_parameters
from rl.random_streams import Purpose, Uniforms, generator
from tests.rl.test_network import reference_q

ANNEALING = {"warm_up": 20_000, "epsilon_steps": 250_000, "epsilon_final": 0.01}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(0, 1.0), (20_000, 1.0), (145_000, 0.505), (270_000, 0.01), (10**8, 0.01)],
)
def test_epsilon_stays_then_falls_linearly_then_stays(steps, expected):
    assert annealed_epsilon(np.array([steps]), **ANNEALING)[0] == pytest.approx(expected)


def choose(uniforms, epsilon, active=None, actions=4):
    online = Weights(initial_parameters(range(len(epsilon)), actions, "valid"), torch.float32)
    observations = np.random.default_rng(0).integers(
        0, 256, (len(epsilon), 4, 84, 84), dtype=np.uint8
    )
    best = greedy_actions(online.values, torch.from_numpy(observations)).numpy()
    active = np.ones(len(epsilon), dtype=bool) if active is None else active
    return epsilon_greedy(uniforms, epsilon, active, actions, lambda asking: best), best


def test_greedy_actions_are_those_of_the_highest_value():
    parameters = initial_parameters([4, 5], 6, "valid")
    observations = torch.randint(0, 256, (2, 4, 84, 84), dtype=torch.uint8)
    chosen = greedy_actions(Weights(parameters, torch.float32).values, observations)
    for k in range(2):
        q = reference_q(parameters, k, observations[k : k + 1], "valid")
        assert chosen[k] == q.argmax()


def test_nobody_is_asked_where_all_explore_or_rest():
    uniforms, active = np.array([[0.1, 0.5], [0.9, 0.5]]), np.array([True, False])
    chosen = epsilon_greedy(
        uniforms, np.array([0.5, 0.5]), active, 4, lambda asking: pytest.fail("asked")
    )
    assert chosen.tolist() == [2, 0]


def test_the_first_uniform_decides_and_the_second_chooses():
    chosen, best = choose(np.array([[0.2, 0.99], [0.3, 0.99]]), np.array([0.25, 0.25]))
    assert chosen[0] == 3
    assert chosen[1] == best[1]


def test_epsilon_zero_is_the_argmax_for_everybody():
    chosen, best = choose(np.zeros((3, 2)), np.zeros(3))
    assert chosen.tolist() == best.tolist()


def test_an_inactive_member_does_nothing():
    active = np.array([False, True])
    chosen, best = choose(np.array([[0.9, 0.9], [0.9, 0.9]]), np.zeros(2), active)
    assert chosen.tolist() == [0, best[1]]


def test_random_actions_are_uniform():
    counts = np.zeros(6)
    uniforms = Uniforms([11], Purpose.EXPLORATION, (0, 0), 2)
    for i in range(6000):
        counts[int(uniforms.row(i)[0, 1] * 6)] += 1
    # chi-squared with 5 degrees of freedom: 20.5 is its 99.9 % point
    assert ((counts - 1000) ** 2 / 1000).sum() < 20.5


def test_rows_of_uniforms_depend_on_nothing_but_seed_place_and_index():
    alone = Uniforms([5], Purpose.REPLAY, (2, 0), 32)
    together = Uniforms([1, 5], Purpose.REPLAY, (2, 0), 32)
    expected = {i: alone.row(i)[0].copy() for i in (0, 1, 1023, 1024, 5000)}
    for i in (5000, 0, 1024, 1023, 1):
        assert np.array_equal(together.row(i)[1], expected[i])


def test_purposes_places_and_seeds_have_streams_of_their_own():
    streams = [
        generator(seed, purpose, *place).random(4)
        for seed in (0, 1)
        for purpose in Purpose
        for place in ((0, 0), (0, 1), (1, 0))
    ]
    assert len({tuple(stream) for stream in streams}) == 2 * len(Purpose) * 3
