"""Runs from beginning to end: rows, kills, longer runs, branches, divergence."""

import json
import math
import subprocess
import sys

import pytest
import torch

from lm.data.prepare import prepare
from lm.training import trunk_state
from lm.workload import WORKLOAD
from tests.list_log import Asked, DyingLog, Killed
from tests.lm.runs import MEMBER, prepared, recipe, train, words
from workload.checkpoint import read_state
from workload.errors import ConfigError, UserError
from workload.identity import config_of
from workload.kept import kept_epochs
from workload.member import Member


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("text"))


OWN = recipe(average_weights=0.9)


@pytest.fixture(scope="module")
def undisturbed(data_dir, tmp_path_factory):
    run = tmp_path_factory.mktemp("undisturbed")
    outcome, log = train(data_dir, run, OWN)
    return outcome, log, read_state(run)


def contents(run):
    return {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}


def same(ours, theirs):
    """Whether weights, their mean and the optimizer's buffers are equal to the last bit."""
    pairs = [(ours["weights"][name], weight) for name, weight in theirs["weights"].items()]
    pairs += zip(ours["average"] or (), theirs["average"] or (), strict=True)
    pairs += [
        (ours["optimizer"][name][key], value)
        for name, state in theirs["optimizer"].items()
        for key, value in state.items()
    ]
    return all(torch.equal(*map(torch.as_tensor, pair)) for pair in pairs)


def test_rows_and_outcome(undisturbed):
    outcome, log, _ = undisturbed
    assert outcome.status == "finished"
    assert [row["updates"] for row in log.rows["metrics"]] == [3, 6, 9, 12]
    evaluations = log.rows["eval"]
    assert [(row["round"], row["updates"]) for row in evaluations] == [(1, 4), (2, 8), (3, 12)]
    for key in ("val/loss", "fit/loss", "val/loss_averaged", "train/loss", "weights/norm"):
        assert all(math.isfinite(row[key]) for row in evaluations)
    assert outcome.figures["val/loss"] == evaluations[-1]["val/loss"]
    assert not any("/layer/" in key for key in outcome.figures)


@pytest.mark.slow
def test_it_learns_the_text(data_dir, tmp_path):
    """A model that has learned from the letters before is far below the entropy of single ones.
    Updates of 48 letters are too noisy for a watch on divergence."""
    few = {"batch_size": 6, "accumulate": 1, "divergence": 0.0}
    own = recipe(rounds=10, updates_per_round=25, learning_rate=1e-2, **few)
    _, log = train(data_dir, tmp_path / "run", own)
    text = (data_dir.parent / "words.txt").read_text()
    shares = [text.count(letter) / len(text) for letter in set(text)]
    entropy = -sum(share * math.log(share) for share in shares)
    assert log.rows["eval"][-1]["val/loss"] < 0.7 * entropy


@pytest.mark.slow
def test_a_run_that_is_stopped_at_any_question_goes_on_bit_for_bit(data_dir, tmp_path, undisturbed):
    """Also in the middle of an evaluation, whose round then has one row."""
    whole = Asked()
    train(data_dir, tmp_path / "whole", OWN, stop=whole)
    assert whole.questions > 12 + 3  # not of updates and rounds alone
    for number in range(3, whole.questions + 1, 5):
        run = tmp_path / str(number)
        assert train(data_dir, run, OWN, stop=Asked(number))[0].status == "interrupted"
        outcome, log = train(data_dir, run, OWN)
        assert (outcome, log.rows) == (undisturbed[0], undisturbed[1].rows)
        assert same(read_state(run), undisturbed[2])


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", range(20))
def test_a_run_killed_anywhere_goes_on_bit_for_bit(data_dir, tmp_path, undisturbed, kill_at):
    """Weights, buffers, mean, rows and figures have the bytes of the run that was not disturbed."""
    log = DyingLog(tmp_path / "run")
    log.left = kill_at

    def stop():
        log.tick()
        return False

    with pytest.raises(Killed):
        train(data_dir, tmp_path / "run", OWN, stop=stop, log=log, checkpoint_every=1 + kill_at % 3)
    outcome, log = train(data_dir, tmp_path / "run", OWN, checkpoint_every=2)
    assert outcome == undisturbed[0]
    assert json.dumps(log.rows) == json.dumps(undisturbed[1].rows)
    ours = read_state(tmp_path / "run")
    assert same(ours, undisturbed[2])
    assert all(map(torch.equal, ours["average"], undisturbed[2]["average"]))


@pytest.mark.slow
def test_a_run_that_is_asked_to_stop_saves_and_goes_on(data_dir, tmp_path, undisturbed):
    answers = iter([False, False, False, True])
    outcome, _ = train(data_dir, tmp_path / "run", OWN, stop=lambda: next(answers, True))
    assert outcome.status == "interrupted"
    assert train(data_dir, tmp_path / "run", OWN)[0] == undisturbed[0]


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["constant", "steps:0.1@5"])
def test_a_finished_run_can_be_made_longer(data_dir, tmp_path, schedule):
    short, long = (recipe(rounds=n, learning_rate_schedule=schedule) for n in (2, 3))
    train(data_dir, tmp_path / "run", short)
    outcome, log = train(data_dir, tmp_path / "run", long)
    other, whole = train(data_dir, tmp_path / "whole", long)
    assert (outcome, log.rows) == (other, whole.rows)


def test_seeds_differ_and_repeat(data_dir, tmp_path, undisturbed):
    other, _ = train(data_dir, tmp_path / "other", OWN, Member("decoupled", 0.1, 1))
    again, _ = train(data_dir, tmp_path / "again", OWN)
    assert again == undisturbed[0]
    assert other.figures["train/loss"] != again.figures["train/loss"]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("cosine:0.1", [0.01 * (0.1 + 0.45 * (1 + math.cos(math.pi * u / 10))) for u in range(10)]),
        ("wsd:4", [0.01] * 7 + [0.0075, 0.005, 0.0025]),
    ],
)
def test_learning_rates_of_language_models(data_dir, tmp_path, schedule, expected):
    """After a warm-up of two updates, from the definition."""
    own = recipe(learning_rate_schedule=schedule, log_every=1)
    _, log = train(data_dir, tmp_path / "run", own)
    rates = [row["learning_rate"] for row in log.rows["metrics"]]
    assert rates == pytest.approx([0.0, 0.005, *expected])


@pytest.mark.slow
def test_a_branch_is_the_run_whose_rate_falls_there(data_dir, tmp_path):
    """A tenth of the rate after update 8: weights, buffers and rows of the updates after."""
    folder = tmp_path / "runs" / "words" / MEMBER.name
    folder.mkdir(parents=True)
    trunk = folder / "seed0-trunk"
    constant = recipe()
    train(data_dir, trunk, constant, keep_every=2)
    (trunk / "config.json").write_text(json.dumps(config_of(WORKLOAD, constant, MEMBER)))
    assert kept_epochs(trunk, "round") == [2]
    dropped = recipe(rounds=4, learning_rate_schedule="steps:0.1@8")
    _, whole = train(data_dir, folder / "seed0-whole", dropped)
    for name in ("decoupled-1e-1,learning_rate=0.01", str(trunk)):
        own = recipe(branch=f"{name}@8", learning_rate=0.001, rounds=4)
        place = folder / f"seed0-branch{len(name)}"
        _, log = train(data_dir, place, own)
        assert [row["round"] for row in log.rows["eval"]] == [3, 4]
        assert log.rows["eval"] == whole.rows["eval"][2:]
        # the first row is of the branch's updates alone
        assert log.rows["metrics"][-1] == whole.rows["metrics"][-1]
        assert same(read_state(place), read_state(folder / "seed0-whole"))
    with pytest.raises(ConfigError, match="has width 16, this run 32; both must have the same"):
        trunk_state(recipe(branch=f"{trunk}@8", width=32), MEMBER, folder / "seed0-x")
    with pytest.raises(UserError, match=r"has not kept round 1; kept are 2"):
        trunk_state(recipe(branch=f"{trunk}@4"), MEMBER, folder / "seed0-x")


@pytest.mark.slow
def test_divergence_ends_a_run_and_says_at_which_update(data_dir, tmp_path, capsys):
    """A rate so high that the loss rises; rows say where, and the run is not gone on with."""
    own = recipe(learning_rate=3.0, clip_norm=0.0, warm_up=0, rounds=20, accumulate=1, log_every=1)
    outcome, log = train(data_dir, tmp_path / "run", own)
    assert outcome.status == "diverged"
    losses = [row["train/loss"] for row in log.rows["metrics"]]
    found = log.rows["metrics"][-1]["diverged_at"]
    assert found == len(losses)
    assert losses[-1] > min(losses[:-1]) + 0.5
    assert all(loss <= min(losses[: n + 1]) + 0.5 for n, loss in enumerate(losses[:-1]))
    assert f"diverged at update {found}" in capsys.readouterr().out
    assert log.rows["metrics"][-1]["diverged"] is True
    assert train(data_dir, tmp_path / "run", own)[0].status == "diverged"


@pytest.mark.slow
def test_divergence_at_an_update_without_a_row_is_told_at_the_next(data_dir, tmp_path):
    changes = {"learning_rate": 3.0, "clip_norm": 0.0, "warm_up": 0, "rounds": 20, "accumulate": 1}
    _, each = train(data_dir, tmp_path / "each", recipe(log_every=1, **changes))
    _, few = train(data_dir, tmp_path / "few", recipe(log_every=50, **changes))
    last = (few.rows["metrics"] + few.rows["eval"])[-1]
    assert last["diverged_at"] == each.rows["metrics"][-1]["diverged_at"]
    assert "val/loss" not in last


@pytest.mark.slow
def test_without_a_threshold_the_same_training_goes_on(data_dir, tmp_path):
    own = recipe(learning_rate=3.0, clip_norm=0.0, warm_up=0, accumulate=1, divergence=0.0)
    assert train(data_dir, tmp_path / "run", own)[0].status == "finished"


def test_a_run_does_not_go_on_with_another_text_of_the_same_name(data_dir, tmp_path):
    """Of the same length, prepared after the run began; with the first one it goes on."""
    count = iter(range(100))
    train(data_dir, tmp_path / "run", stop=lambda: next(count) > 5)
    files = contents(tmp_path / "run")
    text = words(3_000)
    (tmp_path / "words.txt").write_text(text.replace("kelp", "plek"))
    prepare(str(tmp_path / "words.txt"), tmp_path / "data")
    with pytest.raises(ConfigError, match="has another text than the one that training began with"):
        train(tmp_path / "data", tmp_path / "run")
    assert contents(tmp_path / "run") == files
    assert train(data_dir, tmp_path / "run")[0].status == "finished"


def test_text_that_is_not_prepared(tmp_path):
    with pytest.raises(ConfigError, match="nothing is prepared in"):
        train(tmp_path / "data", tmp_path / "run")


WITHOUT = """
import sys
from pathlib import Path
from tests.lm.runs import prepared, train

folder = Path(sys.argv[1])
outcome, _ = train(prepared(folder), folder / "run")
assert outcome.status == "finished"
print(*sorted({"lightning", "torchmetrics", "torch._dynamo", "matplotlib"} & set(sys.modules)))
"""


@pytest.mark.slow
def test_a_training_imports_no_lightning_and_no_torch_compile(tmp_path):
    """They would take longer than all else until the first update."""
    command = [sys.executable, "-c", WITHOUT, str(tmp_path)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "\n"
