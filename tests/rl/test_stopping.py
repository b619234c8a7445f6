"""A wish to stop is heard in every phase, before the chunk of steps is through."""

import itertools

import pytest
import torch

from rl.config import Machine
from rl.member_checkpoint import trained_state
from rl.population import Population
from rl.position import Position
from rl.training import train_population
from tests.list_log import ListLog
from tests.rl.conftest import SEEDED, SMALL, read_position


def train(folder, *, stop_at=None):
    """The log, the outcome and the number of questions; stops from question `stop_at` on."""
    log = ListLog(folder)
    asked = itertools.count(1)
    (outcome,) = train_population(
        SMALL,
        SEEDED[:1],
        [log],
        Machine(device="cpu", threads=1, checkpoint_every=10_000),
        progress=lambda state: None,
        stop=lambda: next(asked) >= (stop_at or 10**9),
    )
    return log, outcome, next(asked) - 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ticks", "position"),
    [
        (30, Position(0, 0, 30)),  # warm-up
        (101, Position(0, 0, 101)),  # learning
        (150 + 23, Position(0, 1, 23)),  # evaluation
    ],
)
def test_a_stop_within_a_chunk_saves_there_and_is_heard_while_resuming(
    tmp_path, undisturbed, monkeypatch, ticks, position
):
    # so that a chunk lasts for a phase; at the end of each are two questions more
    monkeypatch.setattr("rl.training.CHUNK", 10**6)
    _, outcome, _ = train(tmp_path, stop_at=ticks + 2 * position.phase + 1)
    assert outcome.status == "interrupted"
    assert read_position(tmp_path) == position

    # while the actions of the phase are taken again, and while the replay is read
    for stop_at in (position.tick // 2, 1):
        _, outcome, asked = train(tmp_path, stop_at=stop_at)
        assert outcome.status == "interrupted"
        assert asked <= stop_at + 2
        assert read_position(tmp_path) == position

    log, outcome, _ = train(tmp_path)
    expected = undisturbed[0][0]
    assert (log.rows, outcome) == (expected.rows, undisturbed[1][0])
    ours, theirs = trained_state(tmp_path).parameters, trained_state(expected.path).parameters
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.slow
def test_blocks_that_lag_behind_each_other_stop_at_the_same_tick(monkeypatch):
    population = Population(SMALL, SEEDED[:2], torch.device("cpu"), block_size=1)
    monkeypatch.setattr(population, "_lag", 2)  # as on a GPU
    asked = itertools.count()
    population.run(40, lambda: next(asked) == 11)
    population.close()
    assert population.position == Position(0, 0, 11)
    assert population.steps.tolist() == [11, 11]
    assert len(population.phase_actions) == 11
    assert [block.replay.appended.tolist() for block in population.blocks] == [[11], [11]]
