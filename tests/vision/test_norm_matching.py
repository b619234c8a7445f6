"""Norms of one run given to another."""

import json

import pytest

from tests.vision.runs import MEMBER, prepared, recipe, train
from vision.norm_matching import NormReference, find_reference
from vision.workload import WORKLOAD
from workload.errors import ConfigError, UserError
from workload.identity import config_of
from workload.member import Member

NONE = Member("none", 0.0, 0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The data folder, and the folder of runs with one that decays early."""
    folder = tmp_path_factory.mktemp("norms")
    data_dir, own = prepared(folder), recipe(decay_schedule="early:1epochs")
    run = folder / "patterns" / MEMBER.name / "seed0-abc"
    run.parent.mkdir(parents=True)
    _, log = train(data_dir, run, own)
    (run / "eval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log.rows["eval"]))
    (run / "config.json").write_text(json.dumps(config_of(WORKLOAD, own, MEMBER)))
    return data_dir, run


@pytest.mark.parametrize("match", ["whole", "layers"])
def test_norms_are_those_of_the_other_run_after_every_epoch(runs, match):
    data_dir, run = runs
    own = recipe(match_norms="l2-1e-2@early:1epochs", match=match)
    place = run.parents[1] / "none" / f"seed0-{match}"
    place.parent.mkdir(exist_ok=True)
    _, log = train(data_dir, place, own, NONE)
    theirs = [json.loads(line) for line in (run / "eval.jsonl").read_text().splitlines()]
    for ours, other in zip(log.rows["eval"], theirs, strict=True):
        assert ours["weights/norm"] == pytest.approx(other["weights/norm"], rel=1e-6)
        same = [
            ours[key] == pytest.approx(other[key], rel=1e-5)
            for key in ours
            if key.startswith("weights/layer/")
        ]
        assert all(same) == (match == "layers")
        assert ours["train/loss"] != other["train/loss"] or ours["epoch"] == 1


def test_a_folder_will_do(runs, tmp_path):
    _, run = runs
    assert find_reference(recipe(match_norms=str(run)), NONE, tmp_path) == run


@pytest.mark.parametrize(
    ("changes", "seed", "message"),
    [
        ({"width": 8}, 0, "has width 4, this run 8; both must have the same data, model, width"),
        ({"model": "resnet18"}, 0, "has model resnet8, this run resnet18"),
        ({"norm": "none"}, 0, "has norm batch, this run none"),
        ({"data": "shapes"}, 0, "has data patterns, this run shapes"),
        ({}, 1, "has seed 0, this run 1; choose the same"),
    ],
)
def test_a_folder_of_another_network_or_seed(runs, tmp_path, changes, seed, message):
    """Another width has the same names of parameters: they alone do not tell."""
    _, run = runs
    own = recipe(match_norms=str(run), **changes)
    with pytest.raises(ConfigError, match=f"match_norms: {run} {message}"):
        find_reference(own, Member("none", 0.0, seed), tmp_path)


def test_runs_that_are_not_there(runs):
    _, run = runs
    own = run.parents[1] / "none" / "seed0-x"
    for named in ("l2-1e-2@late:1epochs", "l2-1e-2", "l2-5e-2@early:1epochs", "none"):
        with pytest.raises(ConfigError, match=r"there is no run of seed 0 with decay_schedule"):
            find_reference(recipe(match_norms=named), NONE, own)
    with pytest.raises(ConfigError, match="of seed 1 with"):
        find_reference(recipe(match_norms="l2-1e-2@early:1epochs"), Member("none", 0.0, 1), own)
    with pytest.raises(ConfigError, match="the same recipe; train it first"):
        find_reference(recipe(match_norms="l2-1e-2@early:1epochs", width=8), NONE, own)


@pytest.mark.parametrize("named", ["nothing", "l2", "l2-much@always", "runs/l2-1e-2/seed0-abc"])
def test_names_without_a_meaning(named):
    """They are told before anything is trained."""
    with pytest.raises(ConfigError, match=r"is no run's folder, and .* such as l2-5e-4 or none"):
        WORKLOAD.validate_members(recipe(match_norms=named), [NONE])


def test_a_reference_is_the_same_run_but_for_its_decay():
    own = recipe(match_norms="l2-1e-2@early:1epochs", match="layers")
    assert WORKLOAD.references(own, [NONE, Member("none", 0.0, 3)]) == [
        (recipe(decay_schedule="early:1epochs"), MEMBER),
        (recipe(decay_schedule="early:1epochs"), Member("l2", 0.01, 3)),
    ]
    assert WORKLOAD.references(recipe(), [MEMBER]) == []


def test_references_that_do_not_fit(runs, tmp_path):
    _, run = runs
    names = ["conv1.weight"]
    with pytest.raises(ConfigError, match="has norms of 3 epochs; 4 are needed"):
        NormReference.of(run, names, 4)
    with pytest.raises(ConfigError, match=r"of another architecture: bn1\.bias is not in both"):
        NormReference.of(run, names, 3)
    branch = tmp_path / "branch"
    branch.mkdir()
    rows = (run / "eval.jsonl").read_text().splitlines()
    (branch / "eval.jsonl").write_text("\n".join(rows[1:]))
    with pytest.raises(ConfigError, match="is a branch with norms from epoch 2 on; those of all"):
        NormReference.of(branch, names, 2)
    with pytest.raises(ConfigError, match="cannot be read"):
        NormReference.of(tmp_path, names, 1)


def test_decay_and_matching_exclude_each_other():
    own = recipe(match_norms="l2-1e-2@always")
    with pytest.raises(UserError, match="goes with the scheme none, not with l2"):
        WORKLOAD.validate_members(own, [MEMBER])
    WORKLOAD.validate_members(own, [NONE])


def test_a_run_is_named_after_the_run_and_not_its_place(tmp_path):
    one, other = (
        WORKLOAD.resolved(recipe(match_norms=str(tmp_path / place / "l2-1e-2" / "seed0-abc")))
        for place in ("here", "there")
    )
    assert one == other
    assert one["match_norms"] == "l2-1e-2/seed0-abc"


def test_a_run_has_one_name_however_its_folder_is_written(tmp_path, monkeypatch):
    """Also from within, and where a folder has an @ in its name."""
    run = tmp_path / "l2-1e-2" / "seed0-abc@1"
    run.mkdir(parents=True)
    (run / "config.json").touch()
    named = set()
    ways = ((tmp_path, run), (run.parent, run.name), (run, "."), (run, f"../{run.name}"))
    for place, text in ways:
        monkeypatch.chdir(place)
        named.add(WORKLOAD.resolved(recipe(match_norms=str(text)))["match_norms"])
        named.add(WORKLOAD.resolved(recipe(branch=f"{text}@2"))["branch"].removesuffix("@2"))
    assert named == {"l2-1e-2/seed0-abc@1"}


def test_a_decay_without_schedule_is_that_of_always():
    one, other = (WORKLOAD.resolved(recipe(match_norms=f"l2-5e-4{at}")) for at in ("", "@always"))
    assert one == other
    kept = recipe(**one)  # as config.json has it
    assert WORKLOAD.resolved(kept) == one
    branch = "l2-1e-2,learning_rate_schedule=steps:.1@1@2"
    assert WORKLOAD.resolved(recipe(branch=branch))["branch"] == branch
