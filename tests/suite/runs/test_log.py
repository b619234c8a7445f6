"""Append-only logs that can be cut back to a position."""

import errno
import json
import math
import os
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_accumulator import (
    EventAccumulator as PluginEventAccumulator,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from suite.results.rows import rows
from suite.runs.log import RunLogFiles
from suite.runs.session import remarks
from workload.files import write_json

KEYS = ("agent_steps", "iteration")


def read(path):
    return rows(path, KEYS[0], pytest.fail)


def scalars(path, tag):
    events = EventAccumulator(str(path))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def tags(path):
    events = EventAccumulator(str(path))
    events.Reload()
    return sorted(events.Tags()["scalars"])


def test_a_row_can_be_read_by_others_at_once(tmp_path):
    with RunLogFiles(tmp_path, *KEYS) as log:
        log.metrics({"agent_steps": 10, "loss": 0.5})
        assert read(tmp_path / "metrics.jsonl") == [{"agent_steps": 10, "loss": 0.5}]


def test_tensorboard_reads_metrics_over_steps_and_evaluations_over_iterations(tmp_path):
    with RunLogFiles(tmp_path, *KEYS) as log:
        log.metrics({"iteration": 0, "agent_steps": 10, "loss": 0.5, "train/return": None})
        log.metrics({"iteration": 0, "agent_steps": 20, "loss": 0.25, "train/return": 7.0})
        log.evaluation({"iteration": 1, "agent_steps": 20, "eval/return": 3.0})
    assert scalars(tmp_path, "loss") == [(10, 0.5), (20, 0.25)]
    assert scalars(tmp_path, "train/return") == [(20, 7.0)]
    assert scalars(tmp_path, "iteration/eval/return") == [(1, 3.0)]


def test_translation_has_updates_and_epochs_in_their_place(tmp_path):
    with RunLogFiles(tmp_path, "updates", "epoch") as log:
        log.metrics({"epoch": 0, "updates": 25, "train/loss": 8.5})
        log.evaluation({"epoch": 1, "updates": 60, "valid/bleu": 25.5, "test/signature": "nrefs"})
    assert scalars(tmp_path, "train/loss") == [(25, 8.5)]
    assert scalars(tmp_path, "epoch/valid/bleu") == [(1, 25.5)]


def test_a_resumed_run_has_no_row_twice(tmp_path):
    with RunLogFiles(tmp_path, *KEYS) as log:
        log.metrics({"agent_steps": 10, "loss": 1.0})
        offsets = log.offsets()
        log.metrics({"agent_steps": 20, "loss": 9.0})
        log.evaluation({"iteration": 0, "agent_steps": 20, "eval/return": 9.0})
    with RunLogFiles(tmp_path, *KEYS) as log:
        log.rewind(offsets)
        log.metrics({"agent_steps": 20, "loss": 2.0})
    found = [(row["agent_steps"], row["loss"]) for row in read(tmp_path / "metrics.jsonl")]
    assert found == [(10, 1.0), (20, 2.0)]
    assert scalars(tmp_path, "loss") == found
    assert read(tmp_path / "eval.jsonl") == []


@pytest.mark.parametrize("reader", [EventAccumulator, PluginEventAccumulator])
def test_an_open_tensorboard_shows_no_row_of_a_lost_attempt(tmp_path, reader):
    """The second reader is that of the page, the first one that of scripts."""
    watching = reader(str(tmp_path))

    def shown(tag):
        watching.Reload()
        if reader is EventAccumulator:
            return [(event.step, event.value) for event in watching.Scalars(tag)]
        return [(e.step, e.tensor_proto.float_val[0]) for e in watching.Tensors(tag)]

    with RunLogFiles(tmp_path, *KEYS) as log:
        log.metrics({"agent_steps": 10, "loss": 1.0})
        log.evaluation({"iteration": 1, "agent_steps": 10, "eval/return": 1.0})
        offsets = log.offsets()
        log.metrics({"agent_steps": 20, "loss": 9.0})
        log.metrics({"agent_steps": 30, "loss": 9.0})
        log.evaluation({"iteration": 2, "agent_steps": 30, "eval/return": 9.0})
        assert len(shown("loss")) == 3
    for attempt in (1, 2):
        with RunLogFiles(tmp_path, *KEYS) as log:
            log.rewind(offsets)
            log.metrics({"agent_steps": 20, "loss": 2.0})
            assert shown("loss") == [(10, 1.0), (20, 2.0)]
            assert shown("iteration/eval/return") == [(1, 1.0)]
        *earlier, newest = sorted(tmp_path.glob("*tfevents*"))
        assert newest.name.endswith(f"-{attempt:04d}")
        assert {file.stat().st_size for file in earlier} == {0}


def test_a_file_of_the_workloads_own_is_cut_back_with_the_others(tmp_path):
    with RunLogFiles(tmp_path, *KEYS, ["episodes.jsonl"]) as log:
        log.own("episodes.jsonl", {"agent_steps": 5, "return": 1.0, "truncated": False})
        offsets = log.offsets()
        log.own("episodes.jsonl", {"agent_steps": 9, "return": 2.0, "truncated": True})
    before_it_was_kept = {name: at for name, at in offsets.items() if name != "episodes.jsonl"}
    for position, kept in ((offsets, [1.0]), (before_it_was_kept, [])):
        with RunLogFiles(tmp_path, *KEYS, ["episodes.jsonl"]) as log:
            log.rewind(position)
        assert [row["return"] for row in read(tmp_path / "episodes.jsonl")] == kept


def test_rewinding_to_nothing_empties_every_file(tmp_path):
    with RunLogFiles(tmp_path, *KEYS) as log:
        log.metrics({"agent_steps": 10, "loss": 1.0})
        log.rewind({})
        sizes = {name: (tmp_path / name).stat().st_size for name in ("metrics.jsonl", "eval.jsonl")}
        assert set(sizes.values()) == {0}
        log.metrics({"agent_steps": 5, "loss": 3.0})
    assert scalars(tmp_path, "loss") == [(5, 3.0)]


@pytest.fixture
def four_rows(tmp_path):
    """A folder with four rows in two sessions, and what a checkpoint keeps of it."""
    write_json(tmp_path / "meta.json", {"sessions": [{}]})
    with RunLogFiles(tmp_path, *KEYS) as log:
        for step in (10, 20, 30):
            log.metrics({"agent_steps": step, "loss": 1.0})
        log.evaluation({"iteration": 0, "agent_steps": 30, "eval/return": 9.0})
        return tmp_path, log.offsets()


def goes_on(folder, offsets):
    """What a resumed session says, after it has logged one row more."""
    with RunLogFiles(folder, *KEYS) as log:
        log.rewind(offsets)
        log.metrics({"agent_steps": 40, "loss": 2.0})
    return remarks(folder)


def test_of_a_file_that_was_cut_the_whole_rows_are_kept_and_the_missing_are_counted(four_rows):
    folder, offsets = four_rows
    os.truncate(folder / "metrics.jsonl", offsets["metrics.jsonl"] - 1)
    (line,) = {len(line) + 1 for line in (folder / "metrics.jsonl").read_text().splitlines()[:2]}
    assert goes_on(folder, offsets) == (f"metrics.jsonl has lost 1 row, {line} bytes",)
    assert [row["agent_steps"] for row in read(folder / "metrics.jsonl")] == [10, 20, 40]


def test_a_digit_that_was_changed_is_told(four_rows):
    folder, offsets = four_rows
    text = (folder / "eval.jsonl").read_text()
    (folder / "eval.jsonl").write_text(text.replace("9.0", "8.0"))
    assert goes_on(folder, offsets) == ("eval.jsonl is damaged: its rows are not what was written",)


def test_rows_of_a_checkpoint_that_did_not_count_them_are_missed_all_the_same(tmp_path, four_rows):
    folder, offsets = four_rows
    (folder / "eval.jsonl").unlink()
    only_bytes = {name: size for name, size in offsets.items() if " " not in name}
    (told,) = goes_on(folder, only_bytes)
    assert told == f"eval.jsonl has lost some rows, {offsets['eval.jsonl']} bytes"


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, 100)])
def test_events_that_were_lost_are_written_from_the_rows(four_rows, damage):
    folder, offsets = four_rows
    (events,) = folder.glob("events*")
    damage(events)
    assert goes_on(folder, offsets) == ()
    assert [step for step, _ in scalars(folder, "loss")] == [10, 20, 30, 40]
    assert scalars(folder, "iteration/eval/return") == [(0, 9.0)]


def test_events_that_cannot_be_written_are_told_once_and_are_there_when_they_can(
    four_rows, monkeypatch, capsys
):
    folder, offsets = four_rows

    def fails(*_):
        raise OSError(errno.EIO, "Input/output error")

    with RunLogFiles(folder, *KEYS) as log:
        log.rewind(offsets)
        with monkeypatch.context() as broken:
            broken.setattr("suite.runs.event_file.EventFile.scalars", fails)
            for step in (40, 50):
                log.metrics({"agent_steps": step, "loss": 1.0})
        log.offsets()  # of the next checkpoint
        log.metrics({"agent_steps": 60, "loss": 1.0})
    events = folder / "events.out.tfevents.run"
    assert capsys.readouterr().err.count(f"{events}: Input/output error; no result") == 1
    assert [step for step, _ in scalars(folder, "loss")] == [10, 20, 30, 40, 50, 60]


def test_a_value_that_is_not_finite_is_null_as_json_has_no_other(tmp_path):
    with RunLogFiles(tmp_path, *KEYS) as log:
        log.metrics({"agent_steps": 1, "loss": math.nan, "mean_q": -math.inf})
    line = (tmp_path / "metrics.jsonl").read_text()
    row = json.loads(line, parse_constant=lambda name: pytest.fail(name))
    assert row == {"agent_steps": 1, "loss": None, "mean_q": None}


def test_tensorboard_has_no_counts_and_spreads_unless_it_is_to_show_every_key(tmp_path):
    row = {"agent_steps": 1, "train/return": 2.0, "train/episodes": 3, "train/return_std": 0.5}
    layer = {"weights/layer/conv1": 4.0}
    for name, every_key in (("some", False), ("all", True)):
        (tmp_path / name).mkdir()
        with RunLogFiles(tmp_path / name, *KEYS, every_key=every_key) as log:
            log.metrics(row | layer)
    assert scalars(tmp_path / "some", "train/return") == [(1, 2.0)]
    assert tags(tmp_path / "some") == ["train/return"]
    assert tags(tmp_path / "all") == sorted({*row, *layer} - {"agent_steps"})


def test_tensorboard_has_the_whole_networks_figures_and_not_those_of_each_layer(tmp_path):
    row = {"agent_steps": 1, "optim/weight_norm": 3.0, "optim/layer/conv1/weight_norm": 1.0}
    with RunLogFiles(tmp_path, *KEYS) as log:
        log.metrics(row)
    assert tags(tmp_path) == ["optim/weight_norm"]
    assert read(tmp_path / "metrics.jsonl") == [row]


def test_tensorboard_compares_runs_by_their_recipe_and_member(tmp_path):
    recipe, member = {"learning_rate": 1e-3, "game": "Pong"}, {"scheme": "l2", "seed": 3}
    config = {"recipe": recipe, "member": member}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with RunLogFiles(tmp_path, *KEYS) as log:
        log.metrics({"agent_steps": 1, "loss": 0.5})
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    data = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    found = HParamsPluginData.FromString(data).session_start_info.hparams
    assert found["learning_rate"].number_value == 1e-3
    assert found["scheme"].string_value == "l2"
    assert found["seed"].number_value == 3
    assert scalars(tmp_path, "loss") == [(1, 0.5)]
