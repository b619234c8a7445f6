"""Which networks there are. Importing it imports no torch."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import nn

Norm = Literal["batch", "none"]
ModelName = Literal["resnet8", "resnet18", "resnet50", "densenet121", "vgg16"]

HALVINGS: dict[ModelName, int] = {
    "resnet8": 2,
    "resnet18": 3,
    "resnet50": 3,
    "densenet121": 3,
    "vgg16": 5,
}
"""How often a network halves height and width; nothing must be left over in VGG and DenseNet."""


def halvings_before_norm(name: ModelName) -> int:
    """How often height and width are halved before the last normalisation: VGG ends by a halving
    that none follows."""
    return HALVINGS[name] - (name == "vgg16")


def build(name: ModelName, classes: int, norm: Norm, width: int) -> "nn.Module":
    """A network, with initial weights from torch's generator.

    Args:
        name: which.
        classes: how many outputs.
        norm: what follows its convolutions.
        width: channels of the first layer; the published networks have 64.
    """
    match name:
        case "resnet8" | "resnet18" | "resnet50":
            from vision.models import resnet

            function = {
                "resnet8": resnet.resnet8,
                "resnet18": resnet.resnet18,
                "resnet50": resnet.resnet50,
            }[name]
            return function(classes, norm=norm, width=width)
        case "densenet121":
            from vision.models.densenet import densenet121

            return densenet121(classes, norm=norm, width=width)
        case "vgg16":
            from vision.models.vgg import vgg16

            return vgg16(classes, norm=norm, width=width)
