"""Going on from another run's state: the same bytes as a run that did so by itself."""

import json
import shutil

import pytest
import torch

from tests.vision.runs import MEMBER, prepared, recipe, train, trained
from vision.training import trunk_state
from vision.workload import WORKLOAD
from workload.checkpoint import read_state
from workload.errors import ConfigError, UserError
from workload.files import write_json
from workload.identity import config_of
from workload.kept import kept_epochs, read_kept
from workload.member import Member

pytestmark = pytest.mark.slow

NAMED = "l2-1e-2,learning_rate=0.05@2"


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """The data folder, and a run of three epochs that has kept all of them."""
    folder = tmp_path_factory.mktemp("branch")
    data_dir, run = prepared(folder), folder / "runs" / "patterns" / MEMBER.name / "seed0-trunk"
    trained(data_dir, run, recipe(), keep_every=1)
    return data_dir, run


def same_weights(one, other):
    ours, theirs = (read_state(run) for run in (one, other))
    return all(torch.equal(value, theirs["weights"][key]) for key, value in ours["weights"].items())


@pytest.mark.parametrize("by", ["name", "folder"])
def test_a_branch_is_the_run_whose_rate_falls_there(trunk, tmp_path, by):
    """Half of the rate after epoch 2, exactly: weights, buffers and rows of the epochs after."""
    data_dir, run = trunk
    dropped = recipe(learning_rate_schedule="steps:0.5@2epochs", epochs=4)
    _, whole = train(data_dir, tmp_path / "whole", dropped)
    constant = run.parent / "seed0-constant"
    trained(data_dir, constant, recipe(learning_rate_schedule="constant"), keep_every=1)
    own = recipe(
        branch=NAMED if by == "name" else f"{constant}@2",
        learning_rate=0.025,
        learning_rate_schedule="constant",
        epochs=4,
    )
    place = run.parent / f"seed0-branch-{by}"
    _, log = train(data_dir, place, own)
    assert [row["epoch"] for row in log.rows["eval"]] == [3, 4]
    *before, last = whole.rows["eval"][1:]
    spent = [row.pop("decay_budget") for row in (before[0], last)]
    budgets = [row.pop("decay_budget") for row in log.rows["eval"]]
    before[1].pop("decay_budget")
    assert log.rows["eval"] == [before[1], last]
    assert budgets[-1] == pytest.approx(spent[1] - spent[0])  # of its own epochs
    assert log.rows["metrics"] == [row for row in whole.rows["metrics"] if row["updates"] > 6]
    assert same_weights(place, tmp_path / "whole")


def test_a_branch_that_is_interrupted_goes_on_from_its_own_state(trunk):
    data_dir, run = trunk
    own = recipe(branch=f"{run}@1", learning_rate=0.01, average_weights=0.9)
    whole, rows = train(data_dir, run.parent / "seed0-whole", own)
    answers = iter([False, False, False, False, True])
    place = run.parent / "seed0-cut"
    first, _ = train(data_dir, place, own, stop=lambda: next(answers, True))
    assert first.status == "interrupted"
    outcome, log = train(data_dir, place, own)
    assert (outcome, log.rows) == (whole, rows.rows)
    assert same_weights(place, run.parent / "seed0-whole")


def test_states_are_kept_after_epochs_and_change_nothing(trunk, tmp_path):
    data_dir, run = trunk
    assert kept_epochs(run) == [1, 2, 3]
    _, log = train(data_dir, tmp_path / "plain")
    assert kept_epochs(tmp_path / "plain") == []
    assert json.loads((run / "rows.json").read_text()) == log.rows
    train(data_dir, tmp_path / "two", keep_every=2)
    assert kept_epochs(tmp_path / "two") == [2]
    newest, kept = read_state(run), read_kept(run, 3)
    assert all(torch.equal(kept["weights"][key], newest["weights"][key]) for key in kept["weights"])
    assert read_kept(tmp_path / "plain", 3)["updates"] == 9  # the newest


def test_references_name_the_trunk():
    own = recipe(
        branch="decoupled-1e-3,learning_rate=0.1,flip=false,learning_rate_schedule=steps:.1@1,2@2",
        learning_rate=1e-4,
        learning_rate_schedule="constant",
    )
    ((theirs, member),) = WORKLOAD.references(own, [MEMBER])
    assert member == Member("decoupled", 1e-3, 0)
    schedule = "steps:.1@1,2"
    assert theirs == recipe(learning_rate=0.1, flip=False, learning_rate_schedule=schedule)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"branch": "l2-1e-2"}, r"branch: 'l2-1e-2' is no RUN@EPOCH"),
        ({"branch": "l2-1e-2@0"}, r"branch: 'l2-1e-2@0' is no RUN@EPOCH"),
        ({"branch": NAMED, "epochs": 2}, "branch: after epoch 2 nothing is left of the 2 epochs"),
        ({"branch": NAMED, "match_norms": "l2-1e-2@always"}, "does not go with match_norms"),
    ],
)
def test_recipes_that_are_no_branches(changes, message):
    with pytest.raises(ConfigError, match=message):
        recipe(**changes)


@pytest.mark.parametrize(
    ("branch", "message"),
    [
        ("nothing@1", r"branch: 'nothing' is no run's folder, and 'nothing' is no decay"),
        ("l2-1e-2,learning_rat=1@1", r"unknown key 'learning_rat'; did you mean learning_rate"),
        ("l2-1e-2,learning_rate=high@1", r"branch: learning_rate=high is no float"),
        ("l2-1e-2,branch=l2-1e-2@3@4", r"branch: .* is a branch itself; name the folder"),
        ("l2-1e-2,flip=1@1", r"branch: flip=1 is no bool"),
    ],
)
def test_names_without_a_meaning(branch, message):
    """They are told before anything is trained."""
    with pytest.raises(ConfigError, match=message):
        WORKLOAD.validate_members(recipe(branch=branch, epochs=9), [MEMBER])


def test_of_other_runs_a_trunk_is_named_and_not_the_branch_itself(trunk, tmp_path):
    """Whose folder is there before it looks for its trunk, and which is more like it than any."""
    _, run = trunk
    changes = {"learning_rate": 0.5, "momentum": 0.5, "crop": 0}
    named = ",".join(f"{key}={value}" for key, value in changes.items())
    branch = recipe(branch=f"l2-1e-2,{named}@1", **changes)
    shutil.copytree(run, tmp_path / MEMBER.name / run.name)
    for name in ("seed0-another", "seed0-own"):
        folder = tmp_path / MEMBER.name / name
        folder.mkdir()
        write_json(folder / "config.json", config_of(WORKLOAD, branch, MEMBER))
    with pytest.raises(ConfigError, match=f"name the keys of another: {run.name} has"):
        trunk_state(branch, MEMBER, folder)


def test_trunks_that_do_not_fit(trunk, tmp_path):
    _, run = trunk
    own = run.parent / "seed0-own"
    other = r"train it first, or name the keys of another: seed0-\S+ has learning_rate 0"
    with pytest.raises(ConfigError, match=f"these keys .* {other}"):
        trunk_state(recipe(branch="l2-1e-2,learning_rate=0.5@1"), MEMBER, own)
    with pytest.raises(ConfigError, match=r"has width 4, this run 8; both must have the same data"):
        trunk_state(recipe(branch=f"{run}@1", width=8), MEMBER, own)
    with pytest.raises(ConfigError, match=r"has norm batch, this run none"):
        trunk_state(recipe(branch=f"{run}@1", norm="none"), MEMBER, own)
    with pytest.raises(ConfigError, match="has seed 0, this run 1; choose the same"):
        trunk_state(recipe(branch=f"{run}@1"), Member("l2", 0.01, 1), own)
    with pytest.raises(UserError, match=r"branch: .* has not kept epoch 7; kept are 1, 2, 3: tr"):
        trunk_state(recipe(branch=f"{run}@7", epochs=9), MEMBER, own)
    with pytest.raises(UserError, match="is no run's folder, and"):
        trunk_state(recipe(branch=f"{tmp_path}@1"), MEMBER, own)
    copy = tmp_path / "seed0-damaged"
    shutil.copytree(run, copy)
    file = copy / "epochs" / "0002.pt"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match=r"branch: .*0002\.pt cannot be read"):
        trunk_state(recipe(branch=f"{copy}@2"), MEMBER, own)


def test_a_branch_is_named_after_the_run_and_not_its_place(tmp_path):
    one, other = (
        WORKLOAD.resolved(recipe(branch=f"{tmp_path / place / 'l2-1e-2' / 'seed0-abc'}@2"))
        for place in ("here", "there")
    )
    assert one == other
    assert one["branch"] == "l2-1e-2/seed0-abc@2"
