"""Runs from beginning to end: rows, outcomes, kills, and what cannot be trained."""

import pytest
import torch

from tests.list_log import Asked, DyingLog, Killed
from tests.vision.runs import MEMBER, prepared, recipe, train
from vision.config import Recipe
from vision.training import budget_line
from workload.checkpoint import read_state
from workload.errors import ConfigError
from workload.member import Member


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def undisturbed(data_dir, tmp_path_factory):
    run = tmp_path_factory.mktemp("undisturbed")
    outcome, log = train(data_dir, run)
    return outcome, log, read_state(run)


def test_rows_and_outcome(undisturbed):
    outcome, log, _ = undisturbed
    assert outcome.status == "finished"
    assert [row["updates"] for row in log.rows["metrics"]] == [2, 4, 6, 8]
    evaluations = log.rows["eval"]
    assert [(row["epoch"], row["updates"]) for row in evaluations] == [(1, 3), (2, 6), (3, 9)]
    assert all(0 <= row["test/accuracy"] <= 100 for row in evaluations)
    assert ["fit/loss" in row for row in evaluations] == [False, False, True]
    assert outcome.figures["test/accuracy"] == evaluations[-1]["test/accuracy"]
    assert not any("/layer/" in key for key in outcome.figures)


@pytest.mark.slow
def test_it_learns(data_dir, tmp_path):
    outcome, _ = train(data_dir, tmp_path / "run", recipe(epochs=10))
    assert outcome.figures["test/accuracy"] > 90


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", [1, 2, 5, 6, 9, 13, 16, 19])
def test_a_run_killed_anywhere_goes_on_bit_for_bit(data_dir, tmp_path, undisturbed, kill_at):
    """Weights, buffers, rows and figures have the bytes of the run that was not disturbed."""
    log = DyingLog(tmp_path / "run")
    log.left = kill_at

    def stop():
        log.tick()
        return False

    try:
        train(data_dir, tmp_path / "run", stop=stop, log=log, checkpoint_every=1 + kill_at % 3)
    except Killed:
        pass
    else:
        assert kill_at > 15
    outcome, log = train(data_dir, tmp_path / "run", checkpoint_every=2)
    assert outcome == undisturbed[0]
    assert log.rows == undisturbed[1].rows
    ours, theirs = read_state(tmp_path / "run"), undisturbed[2]
    assert all(torch.equal(ours["weights"][key], theirs["weights"][key]) for key in ours["weights"])
    for name, state in theirs["optimizer"].items():
        assert torch.equal(ours["optimizer"][name]["momentum_buffer"], state["momentum_buffer"])


@pytest.mark.slow
def test_a_run_that_is_asked_to_stop_saves_and_goes_on(data_dir, tmp_path, undisturbed):
    answers = iter([False, False, False, True])
    outcome, _ = train(data_dir, tmp_path / "run", stop=lambda: next(answers, True))
    assert outcome.status == "interrupted"
    assert train(data_dir, tmp_path / "run")[0] == undisturbed[0]


@pytest.mark.slow
@pytest.mark.parametrize("sharpness_every", [0, 2])
def test_a_run_that_is_stopped_at_any_question_goes_on_bit_for_bit(
    data_dir, tmp_path, sharpness_every
):
    """Also in the middle of an evaluation, whose epoch then has one row."""
    own = recipe(epochs=2, sharpness_every=sharpness_every)
    whole = Asked()
    outcome, log = train(data_dir, tmp_path / "whole", own, stop=whole)
    assert whole.questions > 2 * 3 + 2  # not of updates alone
    for number in (12, whole.questions) if sharpness_every else range(5, whole.questions + 1):
        run = tmp_path / str(number)
        assert train(data_dir, run, own, stop=Asked(number))[0].status == "interrupted"
        again, ended = train(data_dir, run, own)
        assert again == outcome
        assert ended.rows == log.rows


@pytest.mark.slow
def test_a_finished_run_can_be_made_longer(data_dir, tmp_path):
    """Its first epochs are those of the run that was long from the start."""
    train(data_dir, tmp_path / "run", recipe(epochs=2))
    outcome, log = train(data_dir, tmp_path / "run", recipe(epochs=3))
    other, whole = train(data_dir, tmp_path / "whole", recipe(epochs=3))
    assert outcome.figures == other.figures
    assert log.rows["eval"][-1] == whole.rows["eval"][-1]


@pytest.mark.slow
def test_seeds_differ_and_repeat(data_dir, tmp_path, undisturbed):
    other, _ = train(data_dir, tmp_path / "other", member=Member("l2", 0.01, 1))
    again, _ = train(data_dir, tmp_path / "again")
    assert again == undisturbed[0]
    assert other.figures["train/loss"] != again.figures["train/loss"]


@pytest.mark.slow
def test_early_decay_is_decay_until_then(data_dir, tmp_path):
    """After the first epoch the weights are those of decay always, after the last they are not;
    with decay that comes too late they are those of none."""
    outcomes = {}
    for schedule in ("always", "early:1epochs", "late:2epochs"):
        own = recipe(decay_schedule=schedule)
        outcomes[schedule] = train(data_dir, tmp_path / schedule, own)[1].rows["eval"]
    none = train(data_dir, tmp_path / "none", member=Member("none", 0.0, 0))[1].rows["eval"]
    first = [rows[0]["weights/norm"] for rows in (outcomes["always"], outcomes["early:1epochs"])]
    assert first[0] == first[1]
    assert outcomes["always"][2]["weights/norm"] < outcomes["early:1epochs"][2]["weights/norm"]
    assert [row["weights/norm"] for row in outcomes["late:2epochs"][:2]] == [
        row["weights/norm"] for row in none[:2]
    ]


@pytest.mark.slow
def test_divergence_ends_a_run(data_dir, tmp_path):
    outcome, log = train(data_dir, tmp_path / "run", recipe(learning_rate=1e20, norm="none"))
    assert outcome.status == "diverged"
    assert log.rows["metrics"][-1]["diverged"] is True
    again, _ = train(data_dir, tmp_path / "run", recipe(learning_rate=1e20, norm="none"))
    assert again.status == "diverged"


def test_images_that_are_not_prepared(tmp_path):
    with pytest.raises(ConfigError, match="nothing is prepared in"):
        train(tmp_path / "data", tmp_path / "run")


def test_budget_is_printed():
    line = budget_line(Recipe(), Member("l2", 5e-4, 0), 391)
    assert line == "l2-5e-4: decay budget sum(alpha * lambda) / (1 - momentum) = 6.5, always"
    decoupled = Recipe(learning_rate_schedule="constant", epochs=10)
    line = budget_line(decoupled, Member("decoupled", 5e-4, 0), 100)  # not through the buffer
    assert line == "decoupled-5e-4: decay budget sum(alpha * lambda) = 0.05, always"
    branch = Recipe(learning_rate_schedule="constant", epochs=10, branch="l2-1e-2@4")
    line = budget_line(branch, Member("l2", 5e-4, 0), 100)
    assert "(1 - momentum) = 0.3, always" in line  # .1 * 5e-4 * 600 / .1
    late = Recipe(decay_schedule="late:50epochs", match_budget=True)
    assert budget_line(late, Member("l2", 5e-4, 0), 391) == (
        "l2-5e-4: decay budget sum(alpha * lambda) / (1 - momentum) = 6.5, late:50epochs, "
        "lambda times 4.62"
    )
    assert MEMBER.name == "l2-1e-2"
