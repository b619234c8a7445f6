"""What the networks are made of: convolutions with or without normalisation behind them."""

from torch import nn

from vision.models.catalog import Norm
from vision.models.whole_batch import BatchNorm2d


def convolution(inputs: int, outputs: int, size: int, *, norm: Norm, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps height and width at stride 1. Normalisation makes a bias useless;
    without it there is one."""
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=norm == "none")


def normalisation(channels: int, norm: Norm) -> nn.Module:
    """Batch normalisation, or nothing in its place."""
    return BatchNorm2d(channels) if norm == "batch" else nn.Identity()


def scale_invariant(model: nn.Module) -> set[str]:
    """Names of the parameters whose scale the loss does not depend on, for the networks here.

    With batch normalisation these are all kernels: what they give is normalised, channel by
    channel, before anything that is not linear in a channel is done to it. In ResNets and VGG that
    happens right behind; in DenseNet also behind a concatenation or a mean over neighbours. Exact
    where the normalisation's eps is 0; torch's 1e-5 leaves a trace.

    Source: van Laarhoven, "L2 Regularization versus Batch and Weight Normalization", 2017.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        return set()
    return {
        f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Conv2d)
    }
