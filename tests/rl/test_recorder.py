"""What is told of agents while they train, by a clock of the test's own."""

import dataclasses
import itertools
import time

import pytest

from rl.config import Machine
from rl.population import Population
from rl.training import train_population
from tests.list_log import ListLog
from tests.rl.conftest import SEEDED, SMALL, read_position

TICK = 0.5
"""Seconds that every tick takes, of all agents."""


@pytest.fixture
def clock(monkeypatch):
    """Goes on with every look at whether to stop, of which there is one per tick."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def train(folder, clock, recipe, members=SEEDED[:2], *, stop_at=None):
    """What was told, and when; stops from the tick `stop_at` on."""
    told, asked = [], itertools.count(1)

    def stop():
        clock[0] += TICK
        return next(asked) >= (stop_at or 10**9)

    train_population(
        recipe,
        members,
        [ListLog(folder / member.name) for member in members],
        Machine(device="cpu", threads=1, checkpoint_every=10_000),
        progress=lambda state: told.append((clock[0], state)),
        stop=stop,
    )
    return told


@pytest.mark.slow
def test_a_phase_beyond_its_steps_says_what_it_waits_for_and_promises_nothing(tmp_path, clock):
    # an episode is cut off at 50 steps, so 20 of evaluation become 50
    recipe = dataclasses.replace(SMALL, iterations=1)
    told = [state for _, state in train(tmp_path, clock, recipe)]
    (beyond,) = {(s.phase, s.seconds_left) for s in told if s.step > s.steps == 20}
    assert beyond == ("iteration 1/1 evaluation, until its last episode ends,", None)
    # before the evaluation there is something to promise: its steps
    in_training = [s for s in told if s.steps == 120 and s.step >= 120]
    assert in_training
    assert all(s.seconds_left == pytest.approx(20 * TICK, rel=0.2) for s in in_training)


@pytest.mark.slow
def test_the_rate_is_that_of_one_agent_however_many_there_are(tmp_path, clock):
    rates = [s.steps_per_second for _, s in train(tmp_path, clock, SMALL) if s.steps_per_second]
    # beside the ticks a chunk of 24 asks once more
    assert rates == pytest.approx([1 / TICK] * len(rates), rel=0.1)


@pytest.mark.slow
def test_a_chunk_that_takes_long_ends_early_and_changes_no_bit(
    tmp_path, clock, undisturbed, monkeypatch
):
    monkeypatch.setattr("rl.training.CHUNK_SECONDS", 3 * TICK)
    told = train(tmp_path, clock, SMALL, SEEDED)
    pauses = [after - before for (before, _), (after, _) in itertools.pairwise(told)]
    assert max(pauses) <= 5 * TICK
    for member, expected in zip(SEEDED, undisturbed[0], strict=True):
        assert ListLog(tmp_path / member.name).rows == expected.rows


@pytest.mark.slow
def test_resuming_tells_its_own_rate(tmp_path, clock):
    recipe = dataclasses.replace(SMALL, training_steps=400, max_episode_steps=500)
    train(tmp_path, clock, recipe, stop_at=320)
    taken = read_position(tmp_path / SEEDED[0].name).tick
    assert 300 < taken < 320
    told = [state for _, state in train(tmp_path, clock, recipe)]
    reading = [s for s in told if "reading the replay" in s.phase]
    # two agents' replay of 100 rows each
    assert [(s.step, s.steps) for s in reading] == [(100, 200), (200, 200)]
    resuming = [s for s in told if "resuming" in s.phase]
    assert [(s.step, s.steps) for s in resuming] == [(n, taken) for n in (0, 100, 200, 300)]
    assert {s.steps_per_second for s in resuming[1:]} == {1 / TICK}


@pytest.mark.slow
def test_where_an_agent_is_found_to_have_diverged_does_not_depend_on_chunks(monkeypatch):
    import torch

    from workload.member import Member

    # looked at every 40 ticks, as no row is due; theta overflows at the second update, 68 + 4
    monkeypatch.setattr("rl.population.DIVERGENCE_EVERY", 40)
    recipe = dataclasses.replace(SMALL, log_every=120)
    ends = []
    for chunk in (7, 24, 1000):
        population = Population(recipe, [Member("decoupled", 1e30, 1)], torch.device("cpu"))
        rows = []
        while not population.finished:
            rows += population.run(chunk)
        population.close()
        last = [row.values for row in rows if row.log == "metrics"]
        ends.append([(values["agent_steps"], values.get("diverged")) for values in last])
    assert ends == [[(80, True)]] * 3
