"""What a vision run takes: memory, disk and time, before anything is loaded. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vision.config import Recipe

PROCESS_MEMORY = 1_500_000_000  # the rest of a training process: torch, the activations of a batch
FLOAT = 4
IN_MEMORY = 8  # weights, their start, gradient, at most four moments, and a copy while looking
IN_CHECKPOINT = 5  # weights and at most four moments, in two generations
WIDTH, SIDE = 64, 32
PARAMETERS = {
    "resnet8": 1.23e6,
    "resnet18": 11.2e6,
    "resnet50": 23.5e6,
    "densenet121": 7.0e6,
    "vgg16": 15.2e6,
}
"""At WIDTH; they grow with its square."""
PRODUCTS = {
    "resnet8": 0.2e9,
    "resnet18": 0.56e9,
    "resnet50": 1.3e9,
    "densenet121": 0.9e9,
    "vgg16": 0.31e9,
}
"""Multiplications of a forward pass of SIDE x SIDE pixels, likewise."""
CORE_SPEED = 35e9  # operations a second on a shared core, of ResNet-8 and ResNet-18
IMAGES = {
    "cifar10": (50_000, 32),
    "cifar100": (50_000, 32),
    "tiny-imagenet": (100_000, 64),
    "shapes": (10_000, 16),
}
"""Training images, and their side."""


def _copies(recipe: Recipe) -> int:
    """Of the parameters, that a training keeps beside all others."""
    return int(recipe.average_weights > 0)


def about_parameters(recipe: Recipe) -> float:
    return PARAMETERS[recipe.model] * (recipe.width / WIDTH) ** 2


def training_memory(recipe: Recipe, *, process: bool = True) -> float:
    """Bytes of the network with all that is kept of its weights, and the process around it."""
    copies = IN_MEMORY + _copies(recipe)
    return copies * FLOAT * about_parameters(recipe) + PROCESS_MEMORY * process


def run_disk(recipe: Recipe, keep_every: int = 0) -> int:
    """Bytes of a run: two generations of its state, and those that are kept."""
    states = 2 + (recipe.epochs // keep_every if keep_every else 0)
    return int(states * (IN_CHECKPOINT + _copies(recipe)) * FLOAT * about_parameters(recipe))


def known_images(recipe: Recipe) -> tuple[int, int] | None:
    """Training images and their side as prepared; None of those that nobody has published, and
    where the pool does not divide the side."""
    known = IMAGES.get(recipe.images.name)
    if known is None or known[1] % recipe.pool:
        return None
    return recipe.subset or known[0], known[1] // recipe.pool


def training_seconds(recipe: Recipe, images: int, side: int) -> float:
    """Seconds on a core: three passes of two operations per product."""
    scale = (recipe.width / WIDTH) ** 2 * (side / SIDE) ** 2
    epochs = recipe.epochs - (recipe.branch_epoch if recipe.branch else 0)
    return epochs * images * 6 * PRODUCTS[recipe.model] * scale / CORE_SPEED
