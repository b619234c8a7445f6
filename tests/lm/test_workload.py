"""What the suite asks the workload before it trains, and the way through the command line."""

import json
import sys

import pytest

from lm.config import Machine, Recipe
from lm.workload import WORKLOAD
from suite.__main__ import main
from tests.lm.runs import prepared, recipe, train
from workload.errors import UserError
from workload.member import Member


def machine(tmp_path):
    return Machine(device="cpu", data_dir=str(tmp_path / "data"))


def test_a_text_that_nobody_knows(tmp_path):
    prepared(tmp_path)
    with pytest.raises(UserError, match=r"no text, and unknown data 'word'; did you mean words"):
        WORKLOAD.validate(recipe(data="word"), machine(tmp_path))
    with pytest.raises(UserError, match="'grammar-tiny' is a preset; write --preset grammar-tiny"):
        WORKLOAD.validate(recipe(data="grammar-tiny"), machine(tmp_path))
    WORKLOAD.validate(recipe(), machine(tmp_path))


def test_schemes_of_the_optimizer():
    separated = [Member("none", 0.0, 0), Member("separated", 1e-4, 0)]
    with pytest.raises(UserError, match="the optimizer sgd has no separated; allowed are none, l2"):
        WORKLOAD.validate_members(recipe(optimizer="sgd"), separated)
    WORKLOAD.validate_members(recipe(), separated)


def test_how_to_prepare_is_said(tmp_path):
    own = recipe(tokens="bpe", vocabulary=512)
    assert WORKLOAD.missing_data(own, machine(tmp_path)) == (
        f"data: words is not prepared in {tmp_path}/data/words/text-bpe-512; run `wdbench prepare "
        f"text FILE-OR-FOLDER/words --tokens bpe --vocabulary 512 --data-dir {tmp_path}/data` first"
    )
    with pytest.raises(UserError, match="is not prepared in"):
        WORKLOAD.check(own, machine(tmp_path), [tmp_path / "run"])
    missing = WORKLOAD.missing_data(Recipe(), machine(tmp_path))
    assert "openwebtext has no train.bin and val.bin; nanoGPT's data/openwebtext/" in missing


def test_length_and_memory_are_checked_before_training(tmp_path):
    prepared(tmp_path)
    places = machine(tmp_path), [tmp_path / "run"]
    WORKLOAD.check(recipe(), *places)
    with pytest.raises(UserError, match="rounds: 10000 rounds take 320,000 windows of 8 tokens"):
        WORKLOAD.check(recipe(rounds=10_000), *places)
    with pytest.raises(UserError, match=r"width: one run of about .* choose a smaller --width"):
        WORKLOAD.check(recipe(width=200_000), *places)


def test_damaged_tokens_are_told_before_training(tmp_path):
    (tmp_path / "own").mkdir()
    for part in ("train", "val"):
        (tmp_path / "own" / f"{part}.bin").write_bytes(b"123")
    own = recipe(data=str(tmp_path / "own"), tokens="bin", vocabulary=50)
    with pytest.raises(UserError, match=r"train.bin has 3 bytes, which are no tokens of two"):
        WORKLOAD.check(own, machine(tmp_path), [tmp_path / "run"])


def test_a_branch_needs_a_state_that_its_trunk_keeps(tmp_path):
    """Asked before training, against what training then leaves."""
    data_dir, run = prepared(tmp_path), tmp_path / "run"
    own = recipe(branch="none@8", rounds=4)
    for every, fits in ((0, False), (2, True)):
        plan = recipe(), Machine(keep_every=every)
        assert (WORKLOAD.reference_problem(own, run, plan) is None) is fits
    train(data_dir, run, keep_every=2)
    assert WORKLOAD.reference_problem(own, run, None) is None
    problem = WORKLOAD.reference_problem(recipe(branch="none@4"), run, None)
    assert "will have no state of update 4, the end of round 1; train it in another" in problem


def test_a_run_twice_as_long_takes_twice_the_time():
    long = Recipe(rounds=100)
    assert WORKLOAD.core_seconds(long, Machine()) == pytest.approx(
        2 * WORKLOAD.core_seconds(Recipe(), Machine())
    )


def test_presets_can_be_read():
    assert {"gpt2-124m", "grammar-tiny"} <= set(WORKLOAD.preset_names())


def test_importing_the_workload_imports_no_torch():
    import subprocess

    code = "import sys, lm.workload, lm.window_count; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_the_commands_from_beginning_to_end(tmp_path, monkeypatch, capsys):
    """run, table, status and report on the embedded text, as a user types them."""
    monkeypatch.chdir(tmp_path)

    def wdbench(*arguments, code=0):
        assert main([*map(str, arguments)]) == code
        captured = capsys.readouterr()
        return captured.out + captured.err

    options = ["--preset", "grammar-tiny", "--scheme", "decoupled", "--weight-decay", "0.1"]
    options += ["--rounds", "2", "--updates-per-round", "3", "--warm-up", "2", "--log-every", "2"]
    options += ["--width", "16", "--evaluation-windows", "4", "--device", "cpu"]
    wdbench("run", "lm", *options)
    (run,) = tmp_path.glob("runs/lm/grammar/decoupled-1e-1/*")
    assert json.loads((run / "done.json").read_text())["status"] == "finished"
    assert "is already finished" in wdbench("run", "lm", *options)
    assert "grammar" in wdbench("table", run)
    wdbench("report", run, "--out", "out")
    assert "Language models" in (tmp_path / "out" / "report.md").read_text()
    assert "here that is --context" in wdbench("run", "lm", "--block_size", "8", code=2)
