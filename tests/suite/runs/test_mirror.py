"""Another logger's rows are the run's own, of the real package and without a network."""

import csv
import json
import struct
import sys
from pathlib import Path

import pytest

from rl.workload import WORKLOAD as RL
from suite.__main__ import main
from suite.runs.directory import Run
from suite.runs.log import RunLogFiles
from suite.runs.mirror import Mirror, mirror_of
from workload.files import write_json
from workload.member import Member

ROW = {"iteration": 0, "agent_steps": 10, "loss": 0.5, "optim/layer/conv1/weight_norm": 1.0}
LOST = {"iteration": 0, "agent_steps": 20, "loss": 9.0}
AGAIN = {"iteration": 0, "agent_steps": 20, "loss": 0.25}
SCORE = {"iteration": 1, "agent_steps": 20, "eval/return": 3.0, "eval/episodes": 4}


def run(seed=0):
    made = Run.of(RL, RL.Recipe(game="Pong"), Member("l2", 1e-3, seed), Path("runs"))
    made.path.mkdir(parents=True, exist_ok=True)
    write_json(made.path / "config.json", made.config)
    return made


def log(own, name):
    return RunLogFiles(
        own.path, "agent_steps", "iteration", mirror=mirror_of(name, own, Path("runs"))
    )


def train(name):
    """A first attempt, of which a row is lost, and a second one. Gives the run."""
    own = run()
    with log(own, name) as files:
        files.rewind({})
        files.metrics(ROW)
        offsets = files.offsets()
        files.metrics(LOST)
    with log(own, name) as files:
        files.rewind(offsets)
        files.metrics(AGAIN)
        files.evaluation(SCORE)
    return own


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_csv_has_a_version_per_start_and_in_the_newest_each_row_once():
    own = train("csv")
    with (own.path / "csv" / "version_1" / "metrics.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["step"], line["loss"], line["eval/return"]) for line in lines] == [
        ("10", "0.5", ""),
        ("20", "0.25", ""),
        ("20", "", "3.0"),
    ]
    assert not any("layer" in key or "episodes" in key for key in lines[0])
    recipe = (own.path / "csv" / "version_1" / "hparams.yaml").read_text()
    assert "scheme: l2" in recipe
    assert "game: Pong" in recipe


def test_mlflow_has_them_in_a_folder_beside_the_runs():
    pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    from mlflow.tracking import MlflowClient

    train("mlflow")
    client = MlflowClient(f"file:{Path('runs/mlruns').resolve()}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "wdbench rl/Pong"]
    newest, first = client.search_runs([experiment.experiment_id])
    assert first.data.metrics["loss"] == 9.0
    history = client.get_metric_history(newest.info.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(10, 0.5), (20, 0.25)]
    assert newest.data.metrics["eval/return"] == 3.0
    assert newest.data.params["scheme"] == "l2"
    assert newest.info.run_name == "l2-1e-3/seed0"
    assert newest.info.status == "FINISHED"


def leveldb_records(data):
    """Of a log in LevelDB's format, behind wandb's own 7 bytes."""
    place, record = 7, b""
    while place < len(data):
        left = 32_768 - place % 32_768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        record += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last of several parts
            yield record
            record = b""


def test_wandb_has_them_offline_and_a_run_of_its_own_for_each_member(monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not installed")
    from wandb.proto.wandb_internal_pb2 import Record

    monkeypatch.delenv("WANDB_MODE", raising=False)
    members = [run(seed) for seed in (0, 1)]
    logs = [log(own, "wandb") for own in members]
    for number, files in enumerate(logs):
        files.rewind({})
        files.metrics(ROW | {"loss": 0.5 + number})
    for files in logs:
        files.close()
    for number, own in enumerate(members):
        (file,) = own.path.glob("wandb/offline-run-*/*.wandb")
        found = {}
        for record in map(Record.FromString, leveldb_records(file.read_bytes())):
            for item in record.history.item:
                found[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
            if record.HasField("run"):
                assert record.run.display_name == f"l2-1e-3/seed{number}"
                assert record.run.run_group == "rl/Pong"
        assert found["loss"] == 0.5 + number
        assert found["trainer/global_step"] == 10


class Breaking:
    def __init__(self):
        raise ConnectionError("no route")


def test_a_logger_that_fails_is_told_once_and_ends_nothing(capsys):
    mirror = Mirror("wandb", Breaking)
    with RunLogFiles(run().path, "agent_steps", "iteration", mirror=mirror) as files:
        files.rewind({})
        files.metrics(ROW)
        files.metrics(AGAIN)
    told = "ConnectionError: no route; it gets no more rows, the run's files do"
    assert capsys.readouterr().err == f"wdbench: --logger wandb: {told}\n"
    assert len((run().path / "metrics.jsonl").read_text().splitlines()) == 2


def test_a_logger_that_is_not_installed_is_named_before_anything_is_made(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert main(["run", "rl", "--preset", "demo", "--logger", "wandb"]) == 2
    message = "wdbench: error: logger: wandb is not installed; pip install wandb\n"
    assert capsys.readouterr().err == message
    assert not Path("runs").exists()


def test_the_commands_flags_reach_the_run(training, no_drawing):
    training()
    argv = ["run", "rl", "--replay-capacity", "20000", "--device", "cpu"]
    assert main([*argv, "--logger", "csv", "--tensorboard", "all"]) == 0
    (file,) = Path("runs").rglob("metrics.csv")
    with file.open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [(line["step"], line["loss"], line["eval/return"]) for line in lines] == [
        ("1000", "0.5", ""),
        ("2000", "0.5", ""),
        ("2000", "", "-18.5"),
    ]
