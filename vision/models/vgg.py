"""VGG-16 for small images: Simonyan and Zisserman, "Very Deep Convolutional Networks for
Large-Scale Image Recognition", ICLR 2015.

As torchvision has its convolutions, parameters under the same names; behind them the picture's
mean, and the head of CIFAR versions, 512-512-512-classes, without dropout. Initial kernels are He
et al.'s normal ones: with torch's own a signal is lost on the way through without normalisation.
"""

from torch import Tensor, nn

from vision.models.catalog import Norm
from vision.models.layers import convolution, normalisation

STAGES = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))
"""Channels in widths, and convolutions, before each halving of height and width."""


class VGG(nn.Module):
    """[B, 3, H, W] -> logits [B, classes]; H and W are multiples of 32."""

    def __init__(self, classes: int, norm: Norm, width: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        inputs = 3
        for factor, count in STAGES:
            for _ in range(count):
                parts.append(convolution(inputs, factor * width, 3, norm=norm))
                if norm == "batch":
                    parts.append(normalisation(factor * width, norm))
                parts.append(nn.ReLU(inplace=True))
                inputs = factor * width
            parts.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*parts)
        self.classifier = nn.Sequential(
            nn.Linear(inputs, inputs),
            nn.ReLU(inplace=True),
            nn.Linear(inputs, inputs),
            nn.ReLU(inplace=True),
            nn.Linear(inputs, classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images).mean((2, 3)))
        return logits


def vgg16(classes: int, *, norm: Norm, width: int) -> VGG:
    return VGG(classes, norm, width)
