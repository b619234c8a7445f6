"""Scale-invariant weights on the unit sphere: a plain loop, what stays, what is refused."""

import json

import pytest
import torch
from torch.nn import functional

from tests.vision.runs import CPU, new_module, prepared, recipe, train
from tests.vision.test_module import fit
from vision.image_data import ImageData
from vision.models.catalog import build
from vision.models.layers import scale_invariant
from vision.sphere import project
from vision.workload import WORKLOAD
from workload import counter
from workload.checkpoint import read_state
from workload.errors import ConfigError, UserError
from workload.member import Member

pytestmark = pytest.mark.slow

NONE = Member("none", 0.0, 0)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("sphere"))


def plain_loop(data_dir, own, updates):
    """Momentum, L2 and projection written out, kernel by kernel."""
    data = ImageData(own, data_dir, 0, CPU)
    torch.manual_seed(0)
    model = build(own.model, 2, own.norm, own.width)
    kernels = [p for name, p in model.named_parameters() if name in scale_invariant(model)]
    buffers = [torch.zeros_like(p) for p in kernels]
    with torch.no_grad():
        norm = torch.cat([p.flatten() for p in kernels]).double().norm()
        for p in kernels:
            p.div_(norm.float())
    order = counter.permutation(counter.stream(0, counter.ORDER, 0), 40, CPU)
    for places in torch.split(order, own.batch_size)[:updates]:
        stream = counter.stream(0, counter.AUGMENTATION, 0)
        images = data.train.augmented(places, stream, flip=True)
        loss = functional.cross_entropy(model(images), data.train.labels[places])
        gradients = torch.autograd.grad(loss, kernels)
        with torch.no_grad():
            for p, g, b in zip(kernels, gradients, buffers, strict=True):
                b.mul_(own.momentum).add_(g + 0.01 * p)
                p.sub_(own.learning_rate * b)
            norm = torch.cat([p.flatten() for p in kernels]).double().norm()
            for p in kernels:
                p.div_(norm.float())
    return model


def test_an_epoch_is_that_of_a_plain_loop(data_dir):
    own = recipe(sphere=True, learning_rate=0.01)
    module = new_module(data_dir, own)
    fit(module, 1)
    model = plain_loop(data_dir, own, 3)
    for (name, ours), theirs in zip(
        module.model.named_parameters(), model.parameters(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_norm_is_one_and_the_rest_as_drawn(data_dir, optimizer):
    """After every update: also the last before a row, whose norm is that of the weights before."""
    module = new_module(data_dir, recipe(sphere=True, log_every=1, optimizer=optimizer))
    before = {n: p.detach().clone() for n, p in module.model.named_parameters()}
    advance = fit(module, 2)
    for epoch in advance.epochs:
        assert epoch["weights/norm_invariant"] == pytest.approx(1, abs=1e-6)
    rest = sum(
        float(p.double().square().sum())
        for name, p in before.items()
        if name not in module.invariant
    )
    for row in advance.rows:
        assert row["optim/weight_norm"] ** 2 == pytest.approx(1 + rest, rel=1e-6)
        assert row["learning_rate"] > 0
    for name, p in module.model.named_parameters():
        assert torch.equal(p, before[name]) == (name not in module.invariant)


def test_growth_is_that_of_the_step_before_the_projection(data_dir):
    """Without momentum the step is orthogonal to the weights: it adds its square alone."""
    own = recipe(sphere=True, momentum=0.0, learning_rate=0.01)
    (epoch,) = fit(new_module(data_dir, own, NONE), 1).epochs
    assert epoch["growth/square_invariant"] == pytest.approx(epoch["growth/raw_square_invariant"])
    assert abs(epoch["growth/cross_invariant"]) < 0.05 * epoch["growth/square_invariant"]
    for term in ("square", "cross", "raw_square", "raw_cross"):  # the rest does not move
        assert epoch[f"growth/{term}"] == epoch[f"growth/{term}_invariant"]


def test_a_projection_scales_all_by_one_factor():
    weights = [torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])]
    project(weights)
    assert torch.equal(weights[0], torch.tensor([0.6, 0.0]))
    assert float(weights[1]) == pytest.approx(0.8)


def test_a_run_that_is_resumed_goes_on_bit_for_bit(data_dir, tmp_path):
    own = recipe(sphere=True)
    whole, rows = train(data_dir, tmp_path / "whole", own)
    answers = iter([False] * 4 + [True])
    assert train(data_dir, tmp_path / "run", own, stop=lambda: next(answers, True))[0].figures
    outcome, log = train(data_dir, tmp_path / "run", own)
    assert outcome == whole
    # as text: shifts that stay 0 have no quantiles of |m/w|, and nan is not nan
    assert json.dumps(log.rows) == json.dumps(rows.rows)
    ours, theirs = (read_state(tmp_path / name)["weights"] for name in ("run", "whole"))
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_recipes_without_a_sphere():
    with pytest.raises(ConfigError, match="sphere: without normalisation no weights are"):
        recipe(sphere=True, norm="none")
    with pytest.raises(ConfigError, match="sphere: the norm is 1, and match_norms asks for"):
        recipe(sphere=True, match_norms="l2-1e-2@always")


def test_a_sphere_goes_without_decay():
    own = recipe(sphere=True)
    WORKLOAD.validate_members(own, [NONE])
    with pytest.raises(UserError, match="sphere: goes with the scheme none, not with l2"):
        WORKLOAD.validate_members(own, [NONE, Member("l2", 0.01, 0)])
