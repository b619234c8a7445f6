"""Losses whose curvature is known, and small networks."""

import torch
from torch import nn

from vision.measures.objective import Objective


def quadratic(hessian, w, linear=None):
    """1/2 w.Hw + a.w of one parameter."""
    a = torch.zeros_like(w) if linear is None else linear
    return Objective([w], [lambda: w @ hessian @ w / 2 + a @ w])


def symmetric(size, seed, eigenvalues=None):
    """A symmetric matrix in float64, with eigenvalues that may be chosen."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(size, size, generator=generator, dtype=torch.float64)
    if eigenvalues is None:
        return matrix + matrix.T
    rotation, _ = torch.linalg.qr(matrix)
    return rotation @ torch.diag(torch.as_tensor(eigenvalues, dtype=torch.float64)) @ rotation.T


class SmallNetwork(nn.Module):
    """A convolution, normalisation, a non-linearity and a linear layer: 62 parameters."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, bias=False)
        self.bn = nn.BatchNorm2d(2)
        self.linear = nn.Linear(2, 1)

    def forward(self, x):
        return self.linear(torch.tanh(self.bn(self.conv(x))).mean((2, 3)))


def small_network(seed):
    """The network in eval mode and float64, with its images and targets."""
    torch.manual_seed(seed)
    model = SmallNetwork().double()
    images = torch.randn(12, 3, 5, 5, dtype=torch.float64)
    model(images)  # moves the running statistics
    targets = torch.randn(12, 1, dtype=torch.float64) * 3
    return model.eval(), images, targets


def network_objective(model, images, targets, parts=3):
    """Its mean squared error, in parts."""

    def part(x, y):
        return lambda: ((model(x) - y) ** 2).sum() / len(images)

    pairs = zip(images.chunk(parts), targets.chunk(parts), strict=True)
    return Objective(list(model.parameters()), [part(x, y) for x, y in pairs])


def dense_hessian(model, images, targets):
    """By torch.func, all at once: [size, size]."""
    names = [name for name, _ in model.named_parameters()]
    values = tuple(p.detach() for p in model.parameters())
    sizes = [v.numel() for v in values]

    def loss(vector):
        parts = [p.view_as(v) for p, v in zip(vector.split(sizes), values, strict=True)]
        weights = dict(zip(names, parts, strict=True))
        return ((torch.func.functional_call(model, weights, (images,)) - targets) ** 2).mean()

    return torch.func.hessian(loss)(torch.cat([v.reshape(-1) for v in values]))
