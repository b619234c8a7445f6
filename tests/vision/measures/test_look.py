"""A look during training: the command's numbers, and a training that is as without."""

import json
import math

import pytest
import torch

from suite.commands.arguments import Parser
from tests.vision.measures.test_objective import state
from tests.vision.runs import MEMBER, new_module, prepared, recipe, train
from vision.measures.look import sharpness_look
from vision.sharpness import main
from vision.sharpness_file import read_sharpness
from vision.workload import WORKLOAD
from workload.checkpoint import read_state
from workload.errors import ConfigError
from workload.identity import config_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The data folder, a run that looks every second epoch, and one that does not; their rows."""
    folder = tmp_path_factory.mktemp("look")
    data_dir = prepared(folder)
    found = {}
    for every in (2, 0):
        _, log = train(data_dir, folder / str(every), recipe(sharpness_every=every))
        found[every] = log.rows
    return data_dir, folder, found


def test_rows_have_looks_at_the_cadence_and_at_the_end(runs):
    _, _, found = runs
    assert ["sharpness/top" in row for row in found[2]["eval"]] == [False, True, True]
    assert not any(key.startswith("sharpness/") for row in found[0]["eval"] for key in row)
    row = found[2]["eval"][-1]
    assert row["sharpness/loss"] == pytest.approx(row["fit/loss"], rel=1e-6)
    difference = row["sharpness/multiplicative"] - row["sharpness/loss"]
    assert row["sharpness/multiplicative_difference"] == pytest.approx(difference)


def test_numbers_are_those_of_the_command(runs):
    data_dir, folder, found = runs
    run = folder / "2"
    config = config_of(WORKLOAD, recipe(sharpness_every=2), MEMBER)
    (run / "config.json").write_text(json.dumps(config))
    (run / "done.json").write_text("{}")
    arguments = [str(run), "--data-dir", str(data_dir), "--images", "1000", "--threads", "1"]
    assert main(Parser("wdbench sharpness", "x"), arguments) == 0
    measured, row = read_sharpness(run), found[2]["eval"][-1]
    noise = {each["gamma"]: each for each in measured["multiplicative"]}[0.1]
    added = {each["gamma"]: each for each in measured["additive"]}[0.01]
    assert row["sharpness/multiplicative"] == noise["loss"]
    assert row["sharpness/multiplicative_difference"] == noise["difference"]
    assert row["sharpness/additive"] == added["loss"]
    assert row["sharpness/top"] == measured["top"]["value"]
    assert row["sharpness/trace"] == measured["trace"]["value"]


def test_training_is_as_without(runs):
    _, folder, found = runs
    assert found[2]["metrics"] == found[0]["metrics"]
    kept = [
        {key: value for key, value in row.items() if not key.startswith("sharpness/")}
        for row in found[2]["eval"]
    ]
    assert kept == found[0]["eval"]
    ours, theirs = (read_state(folder / name) for name in ("2", "0"))
    for key, value in theirs["weights"].items():
        assert torch.equal(value, ours["weights"][key]), key


def test_a_look_leaves_everything_as_it_was(runs):
    """Parameters, buffers, generators, gradients and modes."""
    module = new_module(runs[0])
    images, labels = module.batch(torch.arange(16), 3)
    module.loss(module.logits(images), labels).backward()
    before = state(module.model)
    sharpness_look(module.model, module.data.labelled)
    assert state(module.model) == before


def test_of_a_loss_that_is_no_number_there_is_the_loss_alone(runs):
    module = new_module(runs[0])
    with torch.no_grad():
        module.model.fc.bias.fill_(math.inf)
    found = sharpness_look(module.model, module.data.labelled)
    assert list(found) == ["sharpness/loss"]
    assert not math.isfinite(found["sharpness/loss"])


def test_looks_are_no_part_of_what_a_run_is():
    assert "sharpness_every" in WORKLOAD.free_keys(recipe().values())
    with pytest.raises(ConfigError, match="sharpness_every: -1 is not a finite number >= 0"):
        recipe(sharpness_every=-1)
