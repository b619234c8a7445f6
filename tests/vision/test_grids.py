"""A grid whose runs read each other, from the file to finished runs."""

import json
from pathlib import Path

import pytest

from suite.__main__ import main
from suite.batch.capacity import Node
from suite.commands import batch
from tests.vision.runs import prepared

pytestmark = pytest.mark.slow

# readers come first in the file
GRID = """\
workload: vision
base: {data: patterns, epochs: 3, model: resnet8, width: 4, batch_size: 16, crop: 1, keep_every: %s,
  learning_rate_schedule: constant, threads: 1, device: cpu}
axes:
  scheme: [none]
  learning_rate: [0.01]
  branch: ["l2-1e-2,learning_rate=0.05@1", "none,learning_rate=0.05@2"]
include:
  - {scheme: none, learning_rate: 0.05, match_norms: "l2-1e-2@always"}
  - {scheme: [l2, none], weight_decay: 1.0e-2, learning_rate: 0.05}
"""
COMMAND = ["batch", "grid.yaml", "--jobs", "1"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batch, "this_machine", lambda: Node(10**12, 1, ()))
    prepared(tmp_path)


def by_reference():
    """Rows of evaluation of each run, by what it reads, or else its scheme."""
    found = {}
    for path in Path("runs").rglob("done.json"):
        config = json.loads((path.parent / "config.json").read_text())
        recipe = config["recipe"]
        key = recipe["branch"] or recipe["match_norms"] or config["member"]["scheme"]
        lines = (path.parent / "eval.jsonl").read_text().splitlines()
        found[key] = [json.loads(line) for line in lines]
    return found


def test_branches_and_matched_norms_follow_what_they_read(capsys):
    Path("grid.yaml").write_text(GRID % 1)
    assert main(COMMAND) == 0
    assert "5 of 5 done" in capsys.readouterr().out
    rows = by_reference()
    matched, theirs = rows["l2-1e-2@always"], rows["l2"]
    for ours, other in zip(matched, theirs, strict=True):
        assert ours["weights/norm"] == pytest.approx(other["weights/norm"], rel=1e-6)
    assert [row["epoch"] for row in rows["l2-1e-2,learning_rate=0.05@1"]] == [2, 3]
    (last,) = rows["none,learning_rate=0.05@2"]
    assert last["epoch"] == 3
    # a small rate moves the weights of epoch 2 less than the trunk's own rate does
    distances = [row["weights/distance"] for row in rows["none"]]
    assert abs(last["weights/distance"] - distances[1]) < distances[2] - distances[1]


def test_a_trunk_that_will_not_keep_what_is_read_is_told_before(capsys):
    """Every second epoch is kept: that of the branch at 2, not that of the branch at 1."""
    Path("grid.yaml").write_text(GRID % 2)
    assert main([*COMMAND, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "will have no state of epoch 1; train it with keep_every a divisor of 1" in out
    assert "of epoch 2" not in out
    assert main(COMMAND) == 2
    assert "will have no state of epoch 1" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_trunk_that_has_finished_without_is_told(capsys):
    trunk = ["--scheme", "l2", "--weight-decay", "1e-2", "--learning-rate", "0.05", "--epochs", "3"]
    trunk += ["--data", "patterns", "--model", "resnet8", "--width", "4", "--batch-size", "16"]
    trunk += ["--learning-rate-schedule", "constant", "--crop", "1", "--device", "cpu"]
    assert main(["run", "vision", *trunk, "--threads", "1"]) == 0
    Path("grid.yaml").write_text(GRID % 1)
    assert main(COMMAND) == 2
    err = capsys.readouterr().err
    assert "will have no state of epoch 1; train it in another --runs, for it has finished" in err
    assert sorted(by_reference()) == ["l2"]
