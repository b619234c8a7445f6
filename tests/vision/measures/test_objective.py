"""Gradient and Hessian against torch.func's, and that a look changes nothing."""

import hashlib

import numpy as np
import pytest
import torch
from torch import nn

from tests.vision.measures.losses import dense_hessian, network_objective, small_network
from vision.data.images import Split
from vision.data.prepared import Prepared
from vision.images import DeviceImages
from vision.measures.hessian import extreme_eigenvalue, trace
from vision.measures.keskar import keskar_sharpness
from vision.measures.objective import network_loss
from vision.measures.perturbation import perturbed_losses
from vision.models.catalog import build


@pytest.mark.parametrize("parts", [1, 3])
def test_products_with_the_dense_hessian(parts):
    model, images, targets = small_network(0)
    objective = network_objective(model, images, targets, parts)
    hessian = dense_hessian(model, images, targets)
    columns = [
        objective.flat(objective.hessian_product(objective.shaped(unit)))
        for unit in torch.eye(objective.size, dtype=torch.float64)
    ]
    torch.testing.assert_close(torch.stack(columns), hessian, rtol=1e-10, atol=1e-12)


def test_loss_and_gradient():
    model, images, targets = small_network(1)
    objective = network_objective(model, images, targets)
    wanted = ((model(images) - targets) ** 2).mean()
    loss, gradient = objective.gradient()
    assert loss == pytest.approx(float(wanted), rel=1e-14)
    assert objective.loss() == pytest.approx(float(wanted), rel=1e-14)
    expected = torch.autograd.grad(wanted, objective.parameters)
    torch.testing.assert_close(gradient, list(expected), rtol=1e-12, atol=1e-14)


def images_of(count, side=8):
    random = np.random.default_rng(0)
    split = Split(
        random.integers(0, 256, (count, side, side, 3), dtype=np.uint8), np.arange(count) % 4
    )
    prepared = Prepared(None, tuple("abcd"), (side, side), count, count, (120.0,) * 3, (60.0,) * 3)
    return DeviceImages.of(split, prepared, 1, torch.device("cpu"))


def state(model):
    """A digest of all that a measure could leave behind."""
    digest = hashlib.sha256(torch.get_rng_state().numpy().tobytes())
    for value in model.state_dict().values():
        digest.update(value.numpy().tobytes())
    for parameter in model.parameters():
        digest.update(b"-" if parameter.grad is None else parameter.grad.numpy().tobytes())
    digest.update(bytes(module.training for module in model.modules()))
    return digest.hexdigest()


def test_network_loss_is_the_mean_over_the_images_in_eval_mode():
    torch.manual_seed(0)
    model, images = build("resnet8", 4, "batch", 8), images_of(7)
    places = torch.tensor([6, 0, 3, 1, 2])
    with network_loss(model, images, places, batch=2) as objective:
        found = objective.loss()
    model.eval()
    wanted = nn.functional.cross_entropy(model(images.middle(places)), images.labels[places])
    assert found == pytest.approx(float(wanted), rel=1e-6)


@pytest.mark.parametrize(
    "measure",
    [
        lambda objective: extreme_eigenvalue(objective, "top"),
        lambda objective: trace(objective, probes=2),
        keskar_sharpness,
        lambda objective: perturbed_losses(objective, "additive", [0.1], draws=2),
        lambda objective: perturbed_losses(objective, "multiplicative", [0.1], draws=2),
    ],
)
def test_a_look_changes_nothing(measure):
    """Parameters, buffers, gradients, generators and modes have the bytes they had."""
    torch.manual_seed(0)
    model, images = build("resnet8", 4, "batch", 4), images_of(6)
    model.layer1.eval()  # modes may differ
    model(images.middle(torch.arange(6))).sum().backward()
    before = state(model)
    with network_loss(model, images, torch.arange(6), batch=4) as objective:
        measure(objective)
    assert state(model) == before


def test_a_look_that_fails_changes_nothing():
    torch.manual_seed(0)
    model, images = build("resnet8", 4, "batch", 4), images_of(6)
    before = state(model)

    def fail(objective):
        with objective.kept() as weights:
            objective.move_to([weight + 1 for weight in weights])
            raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        network_loss(model, images, torch.arange(6)) as objective,
    ):
        fail(objective)
    assert state(model) == before
