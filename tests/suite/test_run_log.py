"""Append-only logs that can be cut back to a position."""

import json
import math

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from suite.run_log import RunLog, read_rows
from workload.errors import UserError

KEYS = ("agent_steps", "iteration")


def scalars(path, tag):
    events = EventAccumulator(str(path))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_a_row_can_be_read_by_others_at_once(tmp_path):
    with RunLog(tmp_path, *KEYS) as log:
        log.metrics({"agent_steps": 10, "loss": 0.5})
        assert read_rows(tmp_path / "metrics.jsonl", KEYS[0]) == [{"agent_steps": 10, "loss": 0.5}]


def test_tensorboard_reads_metrics_over_steps_and_evaluations_over_iterations(tmp_path):
    with RunLog(tmp_path, *KEYS) as log:
        log.metrics({"iteration": 0, "agent_steps": 10, "loss": 0.5, "train/return": None})
        log.metrics({"iteration": 0, "agent_steps": 20, "loss": 0.25, "train/return": 7.0})
        log.evaluation({"iteration": 1, "agent_steps": 20, "eval/return": 3.0})
    assert scalars(tmp_path, "loss") == [(10, 0.5), (20, 0.25)]
    assert scalars(tmp_path, "train/return") == [(20, 7.0)]
    assert scalars(tmp_path, "iteration/eval/return") == [(1, 3.0)]


def test_translation_has_updates_and_epochs_in_their_place(tmp_path):
    with RunLog(tmp_path, "updates", "epoch") as log:
        log.metrics({"epoch": 0, "updates": 25, "train/loss": 8.5})
        log.evaluation({"epoch": 1, "updates": 60, "valid/bleu": 25.5, "test/signature": "nrefs"})
    assert scalars(tmp_path, "train/loss") == [(25, 8.5)]
    assert scalars(tmp_path, "epoch/valid/bleu") == [(1, 25.5)]


def test_a_resumed_run_has_no_row_twice(tmp_path):
    with RunLog(tmp_path, *KEYS) as log:
        log.metrics({"agent_steps": 10, "loss": 1.0})
        position = log.position()
        log.metrics({"agent_steps": 20, "loss": 9.0})
        log.evaluation({"iteration": 0, "agent_steps": 20, "eval/return": 9.0})
    with RunLog(tmp_path, *KEYS) as log:
        log.rewind(position)
        log.metrics({"agent_steps": 20, "loss": 2.0})
    rows = [
        (row["agent_steps"], row["loss"]) for row in read_rows(tmp_path / "metrics.jsonl", KEYS[0])
    ]
    assert rows == [(10, 1.0), (20, 2.0)]
    assert scalars(tmp_path, "loss") == rows
    assert read_rows(tmp_path / "eval.jsonl", KEYS[0]) == []


def test_rewinding_to_nothing_empties_every_file(tmp_path):
    with RunLog(tmp_path, *KEYS) as log:
        log.metrics({"agent_steps": 10, "loss": 1.0})
        log.rewind({})
        assert set(log.position().values()) == {0}
        log.metrics({"agent_steps": 5, "loss": 3.0})
    assert scalars(tmp_path, "loss") == [(5, 3.0)]


def test_rows_that_a_checkpoint_knows_but_the_file_has_lost_are_an_error(tmp_path):
    with (
        RunLog(tmp_path, *KEYS) as log,
        pytest.raises(OSError, match="the checkpoint was made at 100"),
    ):
        log.rewind({"metrics.jsonl": 100})


def test_a_value_that_is_not_finite_is_null_as_json_has_no_other(tmp_path):
    with RunLog(tmp_path, *KEYS) as log:
        log.metrics({"agent_steps": 1, "loss": math.nan, "mean_q": -math.inf})
    line = (tmp_path / "metrics.jsonl").read_text()
    row = json.loads(line, parse_constant=lambda name: pytest.fail(name))
    assert row == {"agent_steps": 1, "loss": None, "mean_q": None}


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"agent_steps": 1}\n{"agent_steps": 2')
    assert read_rows(tmp_path / "metrics.jsonl", KEYS[0]) == [{"agent_steps": 1}]


@pytest.mark.parametrize(
    "line", [b'{"a": ', b"7", b"\xff\xfe", b'{"loss": 1}', b'{"agent_steps": null}']
)
def test_a_damaged_line_is_named_by_file_and_number(line, tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(
        b'{"agent_steps": 1}\n' + line + b'\n{"agent_steps": 3}\n'
    )
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 2 is damaged"):
        read_rows(tmp_path / "metrics.jsonl", KEYS[0])


def test_a_run_that_has_logged_nothing_has_no_rows(tmp_path):
    assert read_rows(tmp_path / "metrics.jsonl", KEYS[0]) == []
