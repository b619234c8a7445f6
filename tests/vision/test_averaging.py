"""The mean of the weights: its sum written out, its statistics, and what it leaves alone."""

import json
import math

import lightning
import pytest
import torch
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from tests.list_log import Killed
from tests.vision.runs import new_module, prepared, recipe, train
from tests.vision.test_module import fit
from tests.vision.test_training import DyingLog
from vision.evaluation import evaluate
from vision.models.catalog import build
from workload.checkpoint import read_state
from workload.errors import ConfigError
from workload.trainer import fit as fit_quietly

pytestmark = pytest.mark.slow

DECAY = 0.9
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("average"))


class Weights(lightning.Callback):
    """All weights before and after each update, in float64."""

    def __init__(self, module):
        self.module = module
        self.seen = [self._now()]

    def _now(self):
        return [p.detach().double().clone() for p in self.module.model.parameters()]

    def on_train_batch_end(self, *_):
        self.seen.append(self._now())

    def on_train_epoch_end(self, *_):
        self.module.end_epoch()


def test_the_mean_is_its_sum_written_out(data_dir):
    """a_t = decay^t w_0 + (1 - decay) sum_s decay^(t-s) w_s."""
    module = new_module(data_dir, recipe(average_weights=DECAY))
    weights = Weights(module)
    fit_quietly(module, weights, device=CPU, epochs=2, data=module.data)
    updates = len(weights.seen) - 1
    assert updates == 6
    shares = [DECAY**updates] + [
        (1 - DECAY) * DECAY ** (updates - s) for s in range(1, updates + 1)
    ]
    assert math.fsum(shares) == pytest.approx(1)
    for place, average in enumerate(module.average.weights):
        expected = sum(c * seen[place] for c, seen in zip(shares, weights.seen, strict=True))
        torch.testing.assert_close(average.double(), expected, rtol=1e-5, atol=1e-7)


def test_a_row_is_of_a_network_with_the_mean_and_statistics_of_its_own(data_dir, tmp_path):
    """That network is built apart: torch's `update_bn`, over the crops of the epoch after."""
    own = recipe(average_weights=DECAY)
    _, log = train(data_dir, tmp_path / "run", own)
    state = read_state(tmp_path / "run")
    module = new_module(data_dir, own)
    other = build("resnet8", 2, "batch", 4)
    with torch.no_grad():
        for parameter, average in zip(other.parameters(), state["average"], strict=True):
            parameter.copy_(average)
    module.position.epoch = 3
    update_bn(module.training_images(), other)
    data = module.data
    loss, accuracy = evaluate(other, data.test, data.test.labels)
    row = log.rows["eval"][-1]
    assert (row["test/loss_averaged"], row["test/accuracy_averaged"]) == (loss, accuracy)
    loss, accuracy = evaluate(other, data.train, data.labels)
    assert (row["fit/loss_averaged"], row["fit/accuracy_averaged"]) == (loss, accuracy)
    assert row["test/loss"] != row["test/loss_averaged"]
    assert ["fit/loss_averaged" in each for each in log.rows["eval"]] == [False, False, True]


def test_statistics_are_means_over_the_batches(data_dir):
    """Of the first normalisation, from its definition."""
    module = new_module(data_dir, recipe(average_weights=DECAY))
    fit(module, 1)
    kernel = module.average.weights[0]
    responses = [
        functional.conv2d(images, kernel, padding=1) for images in module.training_images()
    ]
    mean = sum(x.mean((0, 2, 3)) for x in responses) / len(responses)
    variance = sum(x.transpose(0, 1).flatten(1).var(1) for x in responses) / len(responses)
    with module.average.in_place(module.training_images()):
        assert torch.equal(module.model.conv1.weight, kernel)
        torch.testing.assert_close(module.model.bn1.running_mean, mean, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(module.model.bn1.running_var, variance, rtol=1e-4, atol=1e-6)
    assert not torch.equal(module.model.conv1.weight, kernel)


def test_training_is_as_without(data_dir, tmp_path):
    """Every number of every row, weights, statistics and optimizer."""
    runs = {}
    for decay in (0.0, DECAY):
        place = tmp_path / str(decay)
        _, log = train(data_dir, place, recipe(average_weights=decay, log_every=1))
        runs[decay] = log.rows, read_state(place)
    (plain, without), (averaged, state) = runs.values()
    # as text: the first row has quantiles of shifts that are 0, and nan is not nan
    assert json.dumps(averaged["metrics"]) == json.dumps(plain["metrics"])
    kept = [
        {k: v for k, v in row.items() if not k.endswith("_averaged")} for row in averaged["eval"]
    ]
    assert kept == plain["eval"]
    assert without["average"] is None
    for key, value in without["weights"].items():
        assert torch.equal(value, state["weights"][key]), key


@pytest.mark.parametrize("kill_at", [2, 5, 6, 11, 14])
def test_a_run_killed_anywhere_goes_on_bit_for_bit(data_dir, tmp_path, kill_at):
    own = recipe(average_weights=DECAY)
    whole, rows = train(data_dir, tmp_path / "whole", own)
    log = DyingLog(tmp_path / "run")
    log.left = kill_at

    def stop():
        log.tick()
        return False

    with pytest.raises(Killed):
        train(data_dir, tmp_path / "run", own, stop=stop, log=log, checkpoint_every=2)
    outcome, log = train(data_dir, tmp_path / "run", own)
    assert (outcome, log.rows) == (whole, rows.rows)
    ours, theirs = (read_state(tmp_path / name)["average"] for name in ("run", "whole"))
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("decay", [1.0, -0.1, math.nan])
def test_decays_that_are_none(decay):
    with pytest.raises(ConfigError, match=r"average_weights: .* is not from 0 to below 1"):
        recipe(average_weights=decay)
