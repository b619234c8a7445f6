"""`wdbench dump`: the files read back as what the runs have logged."""

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest

from suite.__main__ import main
from tests.suite.results.runs import game_run, inside, translation_run


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [inside(1000, norm=1 / 3) | {"optim/layer/conv1/weight_norm": 0.1}]
    found = [
        game_run("runs", "Pong", "none", 0.0, 0, [1.0, 2.0], rows=rows),
        game_run("runs", "Pong", "l2", 1e-3, 1, [3.0], "unfinished"),
    ]
    translation_run("runs", "grammar", "l2", 1e-4, 0, (30.0, 29.0))
    return found


def table(name):
    with Path("out", name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_run_has_a_line_with_its_recipe_member_and_scores(runs):
    assert main(["dump", "runs", "--out", "out"]) == 0
    lines = {line["run"]: line for line in table("runs.csv")}
    assert len(lines) == 3
    finished, unfinished = (lines[str(run.path)] for run in runs)
    assert (finished["status"], unfinished["status"]) == ("finished", "unfinished")
    assert float(finished["eval/return"]) == 1.5  # of the last five, of which there are two
    assert (unfinished["scheme"], float(unfinished["weight_decay"])) == ("l2", 1e-3)
    for key, value in runs[0].config["recipe"].items():
        assert finished[key] == str(value)
    assert lines[str(runs[0].path)]["test/bleu"] == ""


def test_every_logged_row_has_a_line_whose_numbers_read_back_equal(runs):
    assert main(["dump", "runs", "--out", "out", "--layers"]) == 0
    own = [line for line in table("rows.csv") if line["run"] == str(runs[0].path)]
    logged = [
        json.loads(line)
        for name in ("metrics.jsonl", "eval.jsonl")
        for line in (runs[0].path / name).read_text().splitlines()
    ]
    assert [line["kind"] for line in own] == ["metrics", "evaluation", "evaluation"]
    for line, row in zip(own, logged, strict=True):
        assert {key: float(text) for key, text in line.items() if key in row} == row
        others = [text for key, text in line.items() if key not in (*row, "run", "kind")]
        assert set(others) <= {""}


def test_layers_come_on_request_alone():
    main(["dump", "runs", "--out", "out"])
    assert not any("layer" in key for key in table("rows.csv")[0])


def test_only_some_runs_are_exported():
    assert main(["dump", "runs", "--out", "out", "--only", "scheme=l2", "seed=1"]) == 0
    assert [line["scheme"] for line in table("runs.csv")] == ["l2"]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("shceme=l2", "--only: unknown key 'shceme'; did you mean scheme?"),
        ("scheme", "--only: 'scheme' is no KEY=VALUE, e.g. scheme=l2,decoupled"),
        ("scheme=stable", "--only: no run has scheme=stable; there are l2, none"),
    ],
)
def test_a_condition_that_cannot_be_met_is_named(condition, message, capsys):
    assert main(["dump", "runs", "--out", "out", "--only", condition]) == 2
    assert capsys.readouterr().err == f"wdbench: error: {message}\n"
    assert not Path("out").exists()


def test_numbers_are_compared_however_they_are_written():
    assert main(["dump", "runs", "--out", "out", "--only", "weight_decay=0.001,0"]) == 0
    assert len(table("runs.csv")) == 2


def test_parquet_has_the_same_columns_and_values_with_types_of_their_own():
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    for to in ("csv", "parquet"):
        assert main(["dump", "runs", "--out", "out", "--layers", "--to", to]) == 0
    for name in ("runs", "rows"):
        found = parquet.read_table(f"out/{name}.parquet")
        lines = table(f"{name}.csv")
        assert found.column_names == list(lines[0])
        for line, row in zip(lines, found.to_pylist(), strict=True):
            assert line == {key: "" if value is None else str(value) for key, value in row.items()}
    kinds = {field.name: str(field.type) for field in found.schema}
    assert (kinds["run"], kinds["agent_steps"]) == ("string", "int64")
    assert kinds["optim/weight_norm"] == "double"


def test_without_pyarrow_parquet_is_refused_before_anything_is_made(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["dump", "runs", "--out", "out", "--to", "parquet"]) == 2
    message = "--to parquet: pyarrow is not installed; pip install pyarrow"
    assert capsys.readouterr().err == f"wdbench: error: {message}\n"
    assert not Path("out").exists()


def test_a_run_that_lies_twice_is_written_once_and_told_once(runs, capsys):
    shutil.copytree(runs[0].path, "runs/renamed")
    assert main(["dump", "runs", "--out", "out"]) == 0
    assert len(table("runs.csv")) == 3
    told = capsys.readouterr().err
    assert (
        told == f"wdbench: left out: runs/rl/Pong/none/{runs[0].path.name} is the same run as "
        "runs/renamed\n"
    )
