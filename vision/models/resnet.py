"""ResNets for small images: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.

As torchvision has them, parameters under the same names, but for the stem: one convolution of
3 x 3 at stride 1 and no pooling, as is usual for CIFAR. Initial weights are torch's own.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from vision.models.catalog import Norm
from vision.models.layers import convolution, normalisation


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut: [B, inputs, H, W] -> [B, channels, H/s, W/s]."""

    expansion = 1

    def __init__(self, inputs: int, channels: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = convolution(inputs, channels, 3, stride=stride, norm=norm)
        self.bn1 = normalisation(channels, norm)
        self.conv2 = convolution(channels, channels, 3, norm=norm)
        self.bn2 = normalisation(channels, norm)
        self.downsample = shortcut(inputs, channels, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return functional.relu(y + self.downsample(x))


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions and a shortcut: to 4 * channels; the 3 x 3 strides."""

    expansion = 4

    def __init__(self, inputs: int, channels: int, stride: int, norm: Norm) -> None:
        super().__init__()
        outputs = self.expansion * channels
        self.conv1 = convolution(inputs, channels, 1, norm=norm)
        self.bn1 = normalisation(channels, norm)
        self.conv2 = convolution(channels, channels, 3, stride=stride, norm=norm)
        self.bn2 = normalisation(channels, norm)
        self.conv3 = convolution(channels, outputs, 1, norm=norm)
        self.bn3 = normalisation(outputs, norm)
        self.downsample = shortcut(inputs, outputs, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return functional.relu(y + self.downsample(x))


def shortcut(inputs: int, outputs: int, stride: int, norm: Norm) -> nn.Module:
    """Past a block: the input, or a 1 x 1 convolution of it where the shape changes."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return Projection(inputs, outputs, stride, norm)


class Projection(nn.Sequential):
    """Every stride-th pixel each way, convolved by 1 x 1 and normalised.

    The same as a convolution with that stride, whose derivative writes beyond its memory in torch
    2.13 on a CPU where it has fewer than 8 input channels and they come last.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Norm) -> None:
        super().__init__(convolution(inputs, outputs, 1, norm=norm), normalisation(outputs, norm))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        for layer in self:
            x = layer(x)
        return x


class ResNet(nn.Module):
    """[B, 3, H, W] -> logits [B, classes]; stages of width, 2 * width, ... channels at strides
    1, 2, 2, ..., their mean over the picture and a linear layer."""

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        blocks: tuple[int, ...],
        classes: int,
        norm: Norm,
        width: int,
    ) -> None:
        super().__init__()
        self.conv1 = convolution(3, width, 3, norm=norm)
        self.bn1 = normalisation(width, norm)
        self.stages = len(blocks)
        inputs = width
        for stage, count in enumerate(blocks):
            channels = width * 2**stage
            layers = []
            for place in range(count):
                stride = 2 if stage and not place else 1
                layers.append(block(inputs, channels, stride, norm))
                inputs = block.expansion * channels
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(images)))
        for stage in range(self.stages):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        logits: Tensor = self.fc(torch.mean(x, (2, 3)))
        return logits


def resnet8(classes: int, *, norm: Norm, width: int) -> ResNet:
    """Three stages of one basic block, for studies on a CPU."""
    return ResNet(BasicBlock, (1, 1, 1), classes, norm, width)


def resnet18(classes: int, *, norm: Norm, width: int) -> ResNet:
    return ResNet(BasicBlock, (2, 2, 2, 2), classes, norm, width)


def resnet50(classes: int, *, norm: Norm, width: int) -> ResNet:
    return ResNet(Bottleneck, (3, 4, 6, 3), classes, norm, width)
