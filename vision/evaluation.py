"""Loss and accuracy of a network on images as they are."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from vision.images import DeviceImages
from workload.stopping import unasked

BATCH = 500


@torch.no_grad()
def evaluate(
    model: nn.Module,
    images: DeviceImages,
    labels: Tensor,
    between: Callable[[], None] = unasked,
) -> tuple[float, float]:
    """Mean cross-entropy, and accuracy in percent, in eval mode and float32.

    Args:
        model: its mode is put back.
        images: on its device.
        labels: int64 [N].
        between: called before each batch; what it raises passes.
    """
    training = model.training
    model.eval()
    sums = torch.zeros(2, dtype=torch.float64, device=labels.device)
    try:
        for places in torch.split(torch.arange(len(images), device=labels.device), BATCH):
            between()
            logits = model(images.middle(places))
            loss = functional.cross_entropy(logits, labels[places], reduction="sum")
            right = (logits.argmax(1) == labels[places]).sum()
            sums += torch.stack([loss.double(), right.double()])
    finally:
        model.train(training)
    loss_sum, right_sum = sums.tolist()
    return loss_sum / len(images), 100 * right_sum / len(images)
