"""Weights that a run keeps: which, and that they are those that were evaluated."""

import pytest
import torch

from rl.kept_weights import KeptWeights, kept_state
from rl.member_checkpoint import TrainedState, trained_state
from rl.position import Position
from tests.list_log import Killed, ListLog
from tests.rl.conftest import SEEDED, run
from workload.errors import UserError


def keep(folder, how, scores):
    """Keep an agent per iteration, whose only weight is the iteration's number."""
    for iteration, score in enumerate(scores):
        state = TrainedState(
            {"weight": torch.tensor([float(iteration)])}, Position(iteration + 1, 0, 0), 1000
        )
        KeptWeights(ListLog(folder), how).keep(state, {"iteration": iteration, **score})


def kept(folder, which):
    return int(kept_state(folder, which).parameters["weight"])


def test_the_newest_are_kept(tmp_path):
    keep(tmp_path, "2", [{"eval/return": 1.0}] * 5)
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == [
        "iteration-0003.pt",
        "iteration-0004.pt",
    ]
    assert (kept(tmp_path, "3"), kept(tmp_path, "4")) == (3, 4)
    with pytest.raises(UserError, match="has kept 3, 4, not 2; --keep-checkpoints"):
        kept_state(tmp_path, "2")


def test_damaged_best_weights_end_no_training_and_are_told(tmp_path):
    keep(tmp_path, "best", [{"eval/return": 5.0}])
    (tmp_path / "weights" / "best.pt").write_bytes(b"damaged")
    keep(tmp_path, "best", [{"eval/return": score} for score in (1.0, 3.0, 2.0)])
    assert kept(tmp_path, "best") == 1
    assert (tmp_path / "weights" / "best.pt.damaged").read_bytes() == b"damaged"
    (told,) = ListLog(tmp_path).rows["remarks"]
    assert "weights/best.pt was damaged" in told


@pytest.mark.parametrize("key", ["eval/return", "train/return"])
def test_the_best_is_the_first_with_the_highest_return(tmp_path, key):
    keep(tmp_path, "best", [{key: score} for score in (1.0, 3.0, 2.0, 3.0, None)])
    assert kept(tmp_path, "best") == 1
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["best.pt"]


def test_nothing_is_kept_by_default(tmp_path):
    keep(tmp_path, "0", [{"eval/return": 1.0}])
    assert not list(tmp_path.iterdir())


def test_damaged_weights_are_named(tmp_path):
    keep(tmp_path, "1", [{"eval/return": 1.0}])
    (tmp_path / "weights" / "iteration-0000.pt").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"iteration-0000\.pt is damaged"):
        kept_state(tmp_path, "0")


@pytest.mark.slow
def test_a_killed_and_resumed_run_keeps_the_weights_that_were_evaluated(tmp_path):
    with pytest.raises(Killed):  # in the second iteration
        run(tmp_path, SEEDED[:1], kill_after=9, keep_checkpoints="2")
    (log,), _ = run(tmp_path, SEEDED[:1], keep_checkpoints="2")
    final, last = trained_state(log.path), kept_state(log.path, "1")
    assert last.agent_steps == final.agent_steps == 300
    for name, value in final.parameters.items():
        assert torch.equal(last.parameters[name], value)
    first = kept_state(log.path, "0")
    assert first.agent_steps == 150
    assert not torch.equal(first.parameters["hidden.weight"], final.parameters["hidden.weight"])
