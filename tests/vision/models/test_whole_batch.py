"""Batch normalisation of two processes against torch's of the whole batch, in float64."""

import pytest
import torch
import torch.distributed
from torch import nn

from vision.models.whole_batch import BatchNorm2d, whole_batch
from workload.distributed import followers

SPLITS = ((3, 2), (5, 0))
"""Images of each process."""


def layer_and_batch(kind):
    """A layer, images [5, 3, 4, 4], and what the loss weighs its outputs with."""
    torch.manual_seed(0)
    images, factors = torch.randn(2, 5, 3, 4, 4, dtype=torch.float64)
    layer = kind(3).double()
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return layer, 3 * images + 2, factors


def results(layer, images, factors):
    images = images.clone().requires_grad_()
    outputs = layer(images)
    (outputs.square() * factors).sum().backward()
    return {
        "outputs": outputs.detach(),
        "of images": images.grad,
        "of weight": layer.weight.grad,
        "of bias": layer.bias.grad,
        **{name: value.clone() for name, value in layer.named_buffers()},
    }


def share(rank, folder):
    """The results of a process of its share of each split, saved."""
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    found = []
    for split in SPLITS:
        layer, images, factors = layer_and_batch(BatchNorm2d)
        with whole_batch([layer]):
            own = (each.split(split)[rank] for each in (images, factors))
            found.append(results(layer, *own))
    torch.save(found, folder / f"{rank}.pt")


@pytest.mark.slow
def test_two_processes_normalise_the_batch_that_they_share(tmp_path):
    """Outputs, gradients and running statistics, also where one has no image."""
    with followers(2, share, tmp_path):
        share(0, tmp_path)
    whole = results(*layer_and_batch(nn.BatchNorm2d))
    for first, second in zip(*(torch.load(tmp_path / f"{r}.pt") for r in (0, 1)), strict=True):
        for key, expected in whole.items():
            ours, theirs = first[key], second[key]
            if key in ("outputs", "of images"):
                torch.testing.assert_close(torch.cat([ours, theirs]), expected)
            elif key.startswith("of "):
                torch.testing.assert_close(ours + theirs, expected)
            else:
                torch.testing.assert_close(ours, expected)
                torch.testing.assert_close(theirs, expected)
