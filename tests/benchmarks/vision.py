"""What an epoch of images costs beside its arithmetic.

    python -m tests.benchmarks.vision [--images N] [--loader-only]

CPU time of one thread, the sides in turn epoch by epoch:

* an epoch through Lightning over as many forward-backward-steps on one resident batch;
* an epoch with all looks inside at their default cadence over one without;
* the sums of growth at every step over a step;
* an epoch of ResNet-18 over a plain PyTorch loop with a DataLoader of two workers, whose time
  counts, that crops and mirrors CPU tensors as this does, in a process of its own: ours is
  prepared as `run vision` prepares itself;
* the Hessian-vector products that the top eigenvalue of ResNet-8 takes.
"""

import argparse
import dataclasses
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from shared_optim import WeightDecaySGD
from tests.benchmarks.asked import Asked, answer
from tests.benchmarks.epochs import Epochs
from tests.benchmarks.timing import Comparison, hardware, seconds, table
from vision.config import Machine, Recipe
from vision.data.prepare import prepare
from vision.growth import Growth
from vision.image_data import ImageData
from vision.images import DeviceImages
from vision.measures.hessian import extreme_eigenvalue
from vision.measures.objective import network_loss
from vision.models.catalog import build
from vision.module import VisionModule
from workload.member import Member
from workload.trainer import callback_of, fit, prepare_torch

CPU = torch.device("cpu")
MEMBER = Member("l2", 1e-3, 0)


def resident(module: VisionModule) -> Callable[[], None]:
    """Forward, backward and step on one batch, as often as an epoch has batches."""
    data, recipe = module.data, module.recipe
    model = build(recipe.model, len(data.classes), "batch", recipe.width)
    optimizer = WeightDecaySGD(model.parameters(), lr=1e-3, momentum=0.9, l2=1e-3)
    places = torch.arange(recipe.batch_size)
    images, labels = data.train.middle(places), data.train.labels[places]

    def run() -> None:
        for _ in range(module.updates_per_epoch):
            optimizer.zero_grad()
            functional.cross_entropy(model(images), labels).backward()
            optimizer.step()

    return run


def module_of(recipe: Recipe, folder: Path) -> VisionModule:
    return VisionModule(recipe, MEMBER, ImageData(recipe, folder, 0, CPU))


def timed_epochs(
    module: VisionModule, before: Callable[[int], None], between: Any, epochs: int
) -> Epochs:
    timed = Epochs(module, before, between)
    fit(
        module,
        callback_of(timed),
        device=CPU,
        epochs=epochs,
        data=module.data,
        begin=timed.begin,
    )
    return timed


def against_resident(recipe: Recipe, folder: Path, epochs: int) -> Comparison:
    module = module_of(recipe, folder)
    timed = timed_epochs(module, lambda _: None, resident(module), epochs)
    name = "epoch / forward-backward-steps on one batch"
    return of_pairs(name, timed.ours[1:], timed.other[1:], at_most=1.05)


def of_pairs(
    name: str, ours: Sequence[float], other: Sequence[float], *, at_most: float
) -> Comparison:
    """The pair of median ratio; prints all ratios."""
    pairs = sorted(zip(ours, other, strict=True), key=lambda pair: pair[0] / pair[1])
    print(f"{name}:", *(f"{mine / theirs:.3f}" for mine, theirs in pairs))
    return Comparison(name, *pairs[len(pairs) // 2], at_most=at_most)


def looks(recipe: Recipe, folder: Path, epochs: int) -> Comparison:
    module = module_of(recipe, folder)
    blind = mock.MagicMock(spec=Growth)
    blind.take.return_value, blind.parameters = {}, []
    growth = module.growth

    def before(epoch: int) -> None:
        every = recipe.log_every if epoch % 2 else 10**9
        module.recipe = dataclasses.replace(recipe, log_every=every)
        module.__dict__["growth"] = growth if epoch % 2 else blind

    timed = timed_epochs(module, before, None, epochs)
    return Comparison(
        f"epoch with looks every {recipe.log_every} / without",
        statistics.median(timed.ours[3::2]),
        statistics.median(timed.ours[2::2]),
        at_most=1.04,
    )


def growth(recipe: Recipe, folder: Path) -> Comparison:
    module = module_of(recipe, folder)
    step = resident(module)
    step()
    for parameter in module.model.parameters():
        parameter.grad = torch.ones_like(parameter)

    def sums() -> None:
        for _ in range(module.updates_per_epoch):
            module.growth.before_step()
            module.growth.after_step(0.1, [p.grad for p in module.growth.parameters])

    pairs = [(seconds(sums), seconds(step)) for _ in range(5)]
    ours, reference = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Comparison("growth at every step / a step", ours, reference, at_most=0.25)


class Plain(Dataset[Any]):
    """Images that are cropped and mirrored one by one, as by torchvision's transforms."""

    def __init__(self, images: DeviceImages) -> None:
        floats = (images.pixels - images.mean) / images.std
        self.pixels, self.labels = floats.permute(0, 3, 1, 2).contiguous(), images.labels
        self.pad, self.side = images.pad, images.side[0]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int) -> Any:
        top, left = torch.randint(2 * self.pad + 1, (2,)).tolist()
        image = self.pixels[place, :, top : top + self.side, left : left + self.side]
        if torch.rand(()) < 0.5:
            image = image.flip(2)
        return image, self.labels[place]


def plain_loop(recipe: Recipe, folder: Path) -> Callable[[], object]:
    """An epoch of it."""
    torch.set_num_threads(1)
    module = module_of(recipe, folder)
    model = build(recipe.model, len(module.data.classes), "batch", recipe.width)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-3)
    loader = DataLoader(Plain(module.data.train), recipe.batch_size, shuffle=True, num_workers=2)

    def plain() -> None:
        for images, labels in loader:
            optimizer.zero_grad()
            functional.cross_entropy(model(images), labels).backward()
            optimizer.step()

    return plain


def against_loader(recipe: Recipe, folder: Path, epochs: int) -> Comparison:
    """The plain loop in a process of its own."""
    argv = [sys.executable, "-m", "tests.benchmarks.vision", "--plain", str(folder)]
    theirs = Asked([*argv, "--images", str(recipe.subset)])
    theirs.ready()
    module = module_of(recipe, folder)
    timed = timed_epochs(module, lambda _: None, theirs.round, epochs)
    theirs.end()
    name = f"{recipe.model}, {recipe.subset:,} images / DataLoader with 2 workers"
    return of_pairs(name, timed.ours, theirs.seconds, at_most=0.95)


def products(recipe: Recipe, folder: Path) -> str:
    module = module_of(recipe, folder)
    timed_epochs(module, lambda _: None, None, 2)
    images = module.data.train
    with network_loss(module.model, images, torch.arange(256)) as objective:
        found = extreme_eigenvalue(objective, "top")
        exact = extreme_eigenvalue(objective, "top", tolerance=1e-4)
    error = abs(found.value / exact.value - 1)
    return (
        f"top eigenvalue of {recipe.model}: {found.products} products for an error of {error:.2%} "
        "(bar: at most 60 for 1 %)"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=2_000, help="of ResNet-18's epoch")
    parser.add_argument("--loader-only", action="store_true", help="leave out all else")
    parser.add_argument("--plain", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    images = options.images
    large = Recipe(data="shapes", subset=images, model="resnet18", crop=2, epochs=5)
    if options.plain:
        answer(lambda: plain_loop(large, options.plain))
        return
    prepare_torch(Machine(device="cpu"))
    small = Recipe(
        data="shapes", subset=2_000, model="resnet8", width=24, batch_size=64, crop=2, epochs=24
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare("shapes", folder, subset=2_000)
        prepare("shapes", folder, subset=images)
        print(hardware())
        rows = [against_loader(large, folder, 5)]
        if not options.loader_only:
            rows += [
                against_resident(small, folder, 24),
                looks(small, folder, 20),
                growth(small, folder),
            ]
        print(table(rows))
        if not options.loader_only:
            print(products(small, folder))


if __name__ == "__main__":
    main()
