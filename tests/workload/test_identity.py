"""What names a run: golden names, keys that are added later, keys that are no part of it."""

import dataclasses
from pathlib import Path

import pytest

from suite.config.request import build, read_request
from suite.registry import load, names
from suite.runs.directory import Run
from tests.workload.grown import grown
from workload.identity import completed, config_of, digest, identity
from workload.member import Member

MEMBER = Member("separated", 1e-4, 0)
GOLDEN = {
    ("lm", "gpt2-124m"): "openwebtext/separated-1e-4/seed0-cc2259c9",
    ("lm", "grammar-tiny"): "grammar/separated-1e-4/seed0-9038fb4c",
    ("lm", "novels-109k"): "novels/separated-1e-4/seed0-b7d2ae4c",
    ("lm", "novels-820k"): "novels/separated-1e-4/seed0-3a3f37fd",
    ("nlp", "grammar-tiny"): "grammar/separated-1e-4/seed0-869ac9fb",
    ("nlp", "iwslt14"): "iwslt14/separated-1e-4/seed0-3060b4c0",
    ("nlp", "iwslt14-joined"): "iwslt14/separated-1e-4/seed0-da6d17d3",
    ("nlp", "multi30k-small"): "multi30k/separated-1e-4/seed0-959ac688",
    ("rl", "cartpole"): "CartPole-v1/separated-1e-4/seed0-e472161d",
    ("rl", "demo"): "Pong/separated-1e-4/seed0-fb810d87",
    ("rl", "dopamine"): "Pong/separated-1e-4/seed0-1f47acc8",
    ("rl", "nature"): "Pong/separated-1e-4/seed0-8adfa449",
    ("rl", "paper"): "Pong/separated-1e-4/seed0-0a29189c",
    ("vision", "cifar10"): "cifar10/separated-1e-4/seed0-67842bf5",
    ("vision", "cifar10-small"): "cifar10/separated-1e-4/seed0-ce8bc4ed",
    ("vision", "cifar100"): "cifar100/separated-1e-4/seed0-cd216a29",
    ("vision", "shapes-tiny"): "shapes/separated-1e-4/seed0-4376e6b3",
    ("vision", "tiny-imagenet"): "tiny-imagenet/separated-1e-4/seed0-da50ef64",
}
"""Names on people's disks: where one changes, so do those of all their runs."""


def recipe_of(workload, preset):
    argv = ["--preset", preset, "--scheme", "none", "--weight-decay"]
    return read_request(workload, argv, "wdbench run").job.recipe


def presets():
    return [(name, preset) for name in names() for preset in load(name).preset_names()]


@pytest.mark.parametrize(("name", "preset"), presets())
def test_the_name_of_every_presets_run_is_the_one_on_peoples_disks(name, preset):
    workload = load(name)
    run = Run.of(workload, recipe_of(workload, preset), MEMBER, Path("runs"))
    assert str(run.path) == f"runs/{name}/{GOLDEN[name, preset]}"


@pytest.mark.parametrize(("name", "preset"), presets())
def test_a_new_key_whose_default_means_as_before_changes_no_name(name, preset, monkeypatch):
    workload = load(name)
    recipe = recipe_of(workload, preset)
    before = Run.of(workload, recipe, MEMBER, Path("runs")).path
    kind = grown(workload, monkeypatch)
    later = kind(**dataclasses.asdict(recipe))
    assert Run.of(workload, later, MEMBER, Path("runs")).path == before
    other = dataclasses.replace(later, added_later=0.5)
    assert Run.of(workload, other, MEMBER, Path("runs")).path != before


@pytest.mark.parametrize("name", names())
def test_a_run_made_before_a_key_was_added_is_found_and_read_with_its_default(
    name, monkeypatch, tmp_path
):
    workload = load(name)
    old = Run.of(workload, workload.Recipe(), MEMBER, tmp_path)
    old.create()
    kind = grown(workload, monkeypatch)
    found = Run.of(workload, kind(), MEMBER, tmp_path)
    assert found.path == old.path
    assert found.has_config()
    assert Run.at(old.path).config["recipe"]["added_later"] == 0.25
    assert build(kind, Run.at(old.path).config["recipe"]) == kind()


@pytest.mark.parametrize("name", names())
def test_every_key_but_the_free_ones_is_part_of_the_identity(name):
    workload = load(name)
    config = config_of(workload, workload.Recipe(), MEMBER)
    own = identity(workload, config)
    free = workload.free_keys(config["recipe"])
    assert {workload.LENGTH_KEY, "log_every"} <= set(free)
    for key in config["recipe"]:
        changed = {**config, "recipe": {**config["recipe"], key: "another value"}}
        assert (identity(workload, changed) == own) == (key in free)
    for key in config["member"]:
        changed = {**config, "member": {**config["member"], key: "another value"}}
        assert identity(workload, changed) != own


@pytest.mark.parametrize("name", names())
def test_a_configuration_with_defaults_alone_is_named_by_its_member(name):
    workload = load(name)
    config = config_of(workload, workload.Recipe(), MEMBER)
    own = {"format": 1, "workload": name, "recipe": {}, "member": config["member"]}
    assert identity(workload, config) == own
    assert completed(workload, own) == config
    assert Run.of(workload, workload.Recipe(), MEMBER, Path("runs")).path.name.endswith(digest(own))
