"""Whole populations on a GPU, on real Pong for some hundred steps."""

import pytest

from tests.list_log import Killed
from tests.rl.conftest import SEEDED, run

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
