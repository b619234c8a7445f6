"""What a vision run takes: memory, disk and time, before anything is loaded. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vision.config import Recipe

PROCESS_MEMORY = 1_500_000_000  # the rest of a training process: torch, the activations of a batch
FLOAT = 4
IN_MEMORY = 8  # weights, their start, gradient, at most four moments, and a copy while looking
IN_CHECKPOINT = 5  # weights and at most four moments
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
LOOK, LOOKED_AT = 100, 1_000  # a look at sharpness is as training on LOOK times its images, so many
CORE_SPEED = 35e9  # operations a second on a shared core, of ResNet-8 and ResNet-18
IMAGES = {
    "cifar10": (50_000, 32),
    "cifar100": (50_000, 32),
    "tiny-imagenet": (100_000, 64),
    "shapes": (10_000, 16),
}
"""Training images, and their side."""
CHANNELS = 3  # bytes of a pixel
Images = tuple[int, tuple[int, int]]
"""How many images, and their height and width."""


def _copies(recipe: Recipe) -> int:
    """Of the parameters, that a training keeps beside all others."""
    return int(recipe.average_weights > 0)


def about_parameters(recipe: Recipe) -> float:
    return PARAMETERS[recipe.model] * (recipe.width / WIDTH) ** 2


def training_memory(recipe: Recipe, images: Images | None = None, *, process: bool = True) -> float:
    """Bytes of the network with all that is kept of its weights, of the training images with their
    padded copy, and of the process around it; images are the published ones by default."""
    copies = IN_MEMORY + _copies(recipe)
    weights = copies * FLOAT * about_parameters(recipe)
    return (
        weights + _image_memory(recipe, images or known_images(recipe)) + PROCESS_MEMORY * process
    )


def _image_memory(recipe: Recipe, images: Images | None) -> int:
    if images is None:
        return 0
    count, (height, width) = images
    padded = (height + 2 * recipe.crop) * (width + 2 * recipe.crop)
    return count * CHANNELS * (height * width + padded)


def run_disk(recipe: Recipe, keep_every: int = 0) -> int:
    """Bytes of a run: two generations of its state, and those that are kept."""
    states = 2 + (recipe.epochs // keep_every if keep_every else 0)
    return int(states * (IN_CHECKPOINT + _copies(recipe)) * FLOAT * about_parameters(recipe))


def known_images(recipe: Recipe) -> Images | None:
    """Training images as prepared; None of those that nobody has published, and where the pool does
    not divide the side."""
    known = IMAGES.get(recipe.images.name)
    if known is None or known[1] % recipe.pool:
        return None
    side = known[1] // recipe.pool
    return recipe.subset or known[0], (side, side)


def training_seconds(recipe: Recipe, images: Images) -> float:
    """Seconds on a core: three passes of two operations per product, and the looks at sharpness."""
    count, (height, width) = images
    first = recipe.branch_epoch if recipe.branch else 0
    looks = 0
    if every := recipe.sharpness_every:
        looks = -(-recipe.epochs // every) - first // every  # the last epoch has one, too
    passed = (recipe.epochs - first) * count + looks * LOOK * min(count, LOOKED_AT)
    scale = (recipe.width / WIDTH) ** 2 * height * width / SIDE**2
    return passed * 6 * PRODUCTS[recipe.model] * scale / CORE_SPEED
