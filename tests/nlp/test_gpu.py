"""Translation trained whole on a GPU."""

import dataclasses

import pytest
import torch

from tests.nlp.runs import SMALL, train_one
from workload.member import Member

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

MEMBER = Member("separated", 1e-3, 1)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("bf16", 1e-2)])
def test_it_learns_as_on_the_cpu(tmp_path, data_dir, precision, tolerance):
    recipe = dataclasses.replace(SMALL, dropout=0.0, precision=precision)
    ours, outcome = train_one(tmp_path / "cuda", MEMBER, data_dir, recipe=recipe, device="cuda")
    theirs, _ = train_one(tmp_path / "cpu", MEMBER, data_dir, recipe=recipe)
    assert outcome.status == "finished"
    for row, expected in zip(ours.rows["eval"][:2], theirs.rows["eval"][:2], strict=True):
        for key in ("train/loss", "valid/loss"):
            assert row[key] == pytest.approx(expected[key], rel=tolerance), key


def test_a_stopped_run_goes_on(tmp_path, data_dir):
    whole, _ = train_one(tmp_path / "whole", MEMBER, data_dir, device="cuda")
    train_one(tmp_path / "stopped", MEMBER, data_dir, device="cuda", stop_after=7)
    again, outcome = train_one(tmp_path / "stopped", MEMBER, data_dir, device="cuda")
    assert outcome.status == "finished"
    for row, expected in zip(again.rows["metrics"], whole.rows["metrics"], strict=True):
        assert row["updates"] == expected["updates"]
        assert row["train/loss"] == pytest.approx(expected["train/loss"], rel=1e-4)
