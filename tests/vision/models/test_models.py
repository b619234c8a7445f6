"""Parameters counted on paper, outputs against torchvision, and what scales do not matter."""

import copy
import sys

import pytest
import torch
from torch import nn

from vision.models.catalog import HALVINGS, build
from vision.models.layers import scale_invariant


def kernel(inputs, outputs, size, norm):
    """A convolution with what stands behind it: gains and shifts, or a bias."""
    return inputs * outputs * size**2 + (2 * outputs if norm == "batch" else outputs)


def resnet(blocks, bottleneck, norm, width, classes):
    total, inputs = kernel(3, width, 3, norm), width
    for stage, count in enumerate(blocks):
        channels = width * 2**stage
        outputs = 4 * channels if bottleneck else channels
        for place in range(count):
            if bottleneck:
                total += kernel(inputs, channels, 1, norm) + kernel(channels, channels, 3, norm)
                total += kernel(channels, outputs, 1, norm)
            else:
                total += kernel(inputs, channels, 3, norm) + kernel(channels, channels, 3, norm)
            if inputs != outputs or (stage and not place):
                total += kernel(inputs, outputs, 1, norm)
            inputs = outputs
    return total + (inputs + 1) * classes


def densenet(norm, classes, growth=32, channels=64):
    """Here the normalisation stands before the convolution, but for the stem's."""
    gains = 2 if norm == "batch" else 0
    bias = 0 if norm == "batch" else 1
    total = kernel(3, channels, 3, norm)
    for number, layers in enumerate((6, 12, 24, 16)):
        if number:
            total += gains * channels + channels * (channels // 2) + bias * (channels // 2)
            channels //= 2
        for _ in range(layers):
            total += gains * channels + channels * 4 * growth + bias * 4 * growth
            total += gains * 4 * growth + 4 * growth * growth * 9 + bias * growth
            channels += growth
    return total + gains * channels + (channels + 1) * classes


def vgg(norm, classes):
    channels = [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    total = sum(
        kernel(inputs, outputs, 3, norm)
        for inputs, outputs in zip([3, *channels], channels, strict=False)
    )
    return total + 2 * (512 + 1) * 512 + (512 + 1) * classes


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("classes", [10, 100])
def test_parameters_counted_on_paper(norm, classes):
    wanted = {
        "resnet8": resnet((1, 1, 1), False, norm, 64, classes),
        "resnet18": resnet((2, 2, 2, 2), False, norm, 64, classes),
        "resnet50": resnet((3, 4, 6, 3), True, norm, 64, classes),
        "densenet121": densenet(norm, classes),
        "vgg16": vgg(norm, classes),
    }
    with torch.device("meta"):
        found = {
            name: sum(p.numel() for p in build(name, classes, norm, 64).parameters())
            for name in HALVINGS
        }
    assert found == wanted


def test_published_counts():
    """ResNet-18 as everybody has it for CIFAR; VGG-16 of the talk, 15.25 M."""
    with torch.device("meta"):
        assert sum(p.numel() for p in build("resnet18", 10, "batch", 64).parameters()) == 11_173_962
        assert sum(p.numel() for p in build("vgg16", 10, "none", 64).parameters()) == 15_245_130
        assert sum(p.numel() for p in build("resnet8", 10, "batch", 24).parameters()) == 174_274


@pytest.fixture(scope="module")
def torchvision():
    """torchvision's networks; its compiled part, which they do not use, may be another torch's."""
    path = list(sys.modules)
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms(Tensor a, Tensor b, float c)", "qnms(Tensor a, Tensor b, float c)"):
        try:
            library.define(f"{operator} -> Tensor")
        except RuntimeError:
            continue  # it is there
    try:
        import torchvision
    except Exception as error:
        for name in set(sys.modules) - set(path):
            if name.startswith("torchvision"):
                del sys.modules[name]
        pytest.skip(f"torchvision cannot be imported beside this torch: {error}")
    return torchvision.models


def small_stem(model, name):
    """torchvision's network with the stem for small images."""
    stem = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    if name.startswith("resnet"):
        model.conv1, model.maxpool = stem, nn.Identity()
    if name.startswith("densenet"):
        model.features.conv0, model.features.pool0 = stem, nn.Identity()
    if name.startswith("vgg"):
        model.avgpool = nn.AdaptiveAvgPool2d(1)
        model.classifier = copy.deepcopy(build("vgg16", 10, "none", 64).classifier)
    return model


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "densenet121", "vgg16"])
def test_outputs_are_torchvisions(torchvision, name):
    torch.manual_seed(0)
    norm = "none" if name == "vgg16" else "batch"
    reference = small_stem(getattr(torchvision, name)(num_classes=10), name)
    model = build(name, 10, norm, 64)
    model.load_state_dict(reference.state_dict())
    images = torch.randn(2, 3, 32, 32)
    for mode in (True, False):  # the first moves running statistics
        with torch.no_grad():
            ours, theirs = model.train(mode)(images), reference.train(mode)(images)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "side"),
    [("resnet8", 16), ("resnet18", 16), ("resnet50", 8), ("densenet121", 16), ("vgg16", 32)],
)
def test_scale_of_kernels_before_normalisation_does_not_matter(name, side):
    """In float64 with next to no eps: the loss is the same with each such kernel four times as
    large, and another with any other parameter."""
    torch.manual_seed(1)
    model = build(name, 10, "batch", 8).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-12
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    images, labels = torch.randn(4, 3, side, side).double(), torch.randint(10, (4,))

    def loss():
        with torch.no_grad():
            return float(nn.functional.cross_entropy(model(images), labels))

    before, invariant = loss(), scale_invariant(model)
    assert invariant < {parameter for parameter, _ in model.named_parameters()}
    with torch.no_grad():
        for parameter, value in model.named_parameters():
            if parameter in invariant:
                value.mul_(4.0)
        assert abs(loss() - before) < 1e-8
        for parameter, value in list(model.named_parameters())[-4:]:
            if parameter not in invariant and value.any():
                value.mul_(4.0)
                assert abs(loss() - before) > 1e-6, parameter
                value.div_(4.0)


@pytest.mark.parametrize("name", list(HALVINGS))
def test_without_normalisation_nothing_is_scale_invariant_and_signals_arrive(name):
    """The logits of two images differ, and every parameter gets a gradient that is not lost."""
    torch.manual_seed(0)
    model = build(name, 10, "none", 16)
    assert scale_invariant(model) == set()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    logits = model(torch.randn(2, 3, 32, 32))
    assert (logits[0] - logits[1]).abs().max() > 1e-4
    nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    assert all(p.grad.abs().max() > 1e-9 for p in model.parameters())


@pytest.mark.parametrize("name", list(HALVINGS))
def test_same_generator_gives_the_same_weights(name):
    weights = []
    for _ in range(2):
        torch.manual_seed(3)
        weights.append(build(name, 10, "batch", 8).state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
