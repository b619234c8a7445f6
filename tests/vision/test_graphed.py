"""What stands in for a network's calls is compared with them before it is used."""

import pytest
import torch
from torch.func import functional_call

from tests.vision import runs
from vision.graphed import problem
from workload.errors import ConfigError


@pytest.fixture
def module(tmp_path):
    module = runs.new_module(runs.prepared(tmp_path))
    module.model.train()
    return module


@pytest.fixture
def batches(module):
    places = torch.arange(len(module.data.train))
    return [module._batch(places[:16]), module._batch(places[-16:])]


def stale_weights(model, _):
    """Computes with the weights of now, whatever they become; gradients reach those of then."""
    then = {name: p.detach().clone() for name, p in model.named_parameters()}

    def call(images):
        own = {name: p - p.detach() + then[name] for name, p in model.named_parameters()}
        return functional_call(model, own, (images,))

    return call


def stale_images(model, batches):
    return lambda images: model(batches[0][0])


def running_statistics(model, _):
    def call(images):
        model.eval()
        logits = model(images)
        model.train()
        return logits

    return call


def statistics_twice(model, _):
    def call(images):
        with torch.no_grad():
            model(images)
        return model(images)

    return call


def unable(model, _):
    def call(images):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    return call


def test_the_network_itself_has_no_problem(module, batches):
    assert problem(module.model, module.model, batches, torch.float32) == ""


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (stale_weights, "differs"),
        (stale_images, "differs"),
        (running_statistics, "differs"),
        (statistics_twice, "bn1.num_batches_tracked differs"),
        (unable, "RuntimeError: operation not permitted when stream is capturing"),
    ],
)
def test_what_does_something_else_is_found_and_all_is_put_back(module, batches, make, text):
    before = {name: value.clone() for name, value in module.model.state_dict().items()}
    found = problem(module.model, make(module.model, batches), batches, torch.float32)
    assert text in found
    after = module.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(p.grad is None for p in module.model.parameters())


def test_without_a_gpu_there_are_none(module):
    module.use_graphs("auto")
    assert module._graphed is None
    with pytest.raises(ConfigError, match="none on cpu; choose auto or off"):
        module.use_graphs("on")
