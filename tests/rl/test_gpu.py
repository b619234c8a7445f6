"""Whole populations on a GPU, on real Pong for some hundred steps."""

import dataclasses

import pytest
import torch

from rl import triton_windows
from rl.population import Population
from tests.list_log import Killed
from tests.rl.conftest import SEEDED, SMALL, run

pytestmark = pytest.mark.gpu


def test_a_population_begins_as_on_the_cpu(tmp_path):
    """The first row with updates: later, rounding may decide an action."""
    ours, _ = run(tmp_path / "cuda", SEEDED, device="cuda")
    theirs, _ = run(tmp_path / "cpu", SEEDED)
    for log, reference in zip(ours, theirs, strict=True):
        rows = zip(log.rows["metrics"], reference.rows["metrics"], strict=True)
        row, expected = next(pair for pair in rows if pair[1]["updates"])
        for key in ("loss", "optim/weight_norm", "optim/update_norm"):
            assert row[key] == pytest.approx(expected[key], rel=1e-3), key


def test_a_killed_population_goes_on_bit_for_bit(tmp_path):
    whole, _ = run(tmp_path / "whole", SEEDED, device="cuda")
    with pytest.raises(Killed):
        run(tmp_path / "killed", SEEDED, device="cuda", kill_after=6)
    again, _ = run(tmp_path / "killed", SEEDED, device="cuda")
    assert [log.rows for log in again] == [log.rows for log in whole]


def test_windows_are_copied_by_the_kernel():
    assert triton_windows._works(torch.device("cuda"))


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_graphs_prove_themselves_and_are_used(precision):
    recipe = dataclasses.replace(SMALL, precision=precision)
    made = Population(recipe, SEEDED, torch.device("cuda"), graphs="on")
    made.run(100)
    assert [block.replays_graphs for block in made.blocks] == [True, True]
    made.close()


def test_graphs_change_no_row():
    """What they replay is what is called without them, so whole runs agree to the last bit."""
    rows = []
    for graphs in ("on", "off"):
        made = Population(SMALL, SEEDED, torch.device("cuda"), graphs=graphs)
        rows.append([row for _ in range(12) for row in made.run(24)])
        made.close()
    assert rows[0] == rows[1]
