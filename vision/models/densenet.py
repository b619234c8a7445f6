"""DenseNet-121 for small images: Huang et al., "Densely Connected Convolutional Networks", CVPR
2017.

As torchvision has it, parameters under the same names, but for the stem: one convolution of 3 x 3
at stride 1 and no pooling. Initial weights are torch's own.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from vision.models.catalog import Norm
from vision.models.layers import convolution, normalisation

BLOCKS = (6, 12, 24, 16)
BOTTLENECK = 4  # channels between the two convolutions of a layer, in growths


class DenseLayer(nn.Module):
    """Normalise, 1 x 1, normalise, 3 x 3: [B, inputs, H, W] -> [B, growth, H, W]."""

    def __init__(self, inputs: int, growth: int, norm: Norm) -> None:
        super().__init__()
        self.norm1 = normalisation(inputs, norm)
        self.conv1 = convolution(inputs, BOTTLENECK * growth, 1, norm=norm)
        self.norm2 = normalisation(BOTTLENECK * growth, norm)
        self.conv2 = convolution(BOTTLENECK * growth, growth, 3, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(functional.relu(self.norm1(x)))
        new: Tensor = self.conv2(functional.relu(self.norm2(y)))
        return new


class DenseBlock(nn.Module):
    """Layers that each see all before them: [B, inputs, H, W] -> inputs + layers * growth."""

    def __init__(self, layers: int, inputs: int, growth: int, norm: Norm) -> None:
        super().__init__()
        for i in range(layers):
            self.add_module(f"denselayer{i + 1}", DenseLayer(inputs + i * growth, growth, norm))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = torch.cat([x, layer(x)], 1)
        return x


class Transition(nn.Module):
    """Between blocks: half of the channels, half of height and width."""

    def __init__(self, inputs: int, norm: Norm) -> None:
        super().__init__()
        self.norm = normalisation(inputs, norm)
        self.conv = convolution(inputs, inputs // 2, 1, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        return functional.avg_pool2d(self.conv(functional.relu(self.norm(x))), 2)


class DenseNet(nn.Module):
    """[B, 3, H, W] -> logits [B, classes]."""

    def __init__(self, classes: int, norm: Norm, width: int) -> None:
        super().__init__()
        growth = width // 2
        parts: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=convolution(3, width, 3, norm=norm), norm0=normalisation(width, norm)
        )
        parts["relu0"] = nn.ReLU()
        channels = width
        for number, layers in enumerate(BLOCKS, start=1):
            parts[f"denseblock{number}"] = DenseBlock(layers, channels, growth, norm)
            channels += layers * growth
            if number < len(BLOCKS):
                parts[f"transition{number}"] = Transition(channels, norm)
                channels //= 2
        parts["norm5"] = normalisation(channels, norm)
        self.features = nn.Sequential(parts)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = functional.relu(self.features(images))
        logits: Tensor = self.classifier(torch.mean(x, (2, 3)))
        return logits


def densenet121(classes: int, *, norm: Norm, width: int) -> DenseNet:
    """Growth is half of the width: 32."""
    return DenseNet(classes, norm, width)
