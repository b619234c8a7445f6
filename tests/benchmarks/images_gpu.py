"""What an epoch of images takes on a GPU beside its arithmetic.

    python -m tests.benchmarks.images_gpu [--data NAME] [--data-dir DIR] [--epochs N]

ResNet-18, batches of 128: an epoch through Lightning, with crops, growth at every step and looks
inside at their default cadence, over as many forward-backward-steps on one batch that lies there
already, by the same path. Wall time, ended by waiting for the GPU; the two alternate epoch by
epoch, medians after the first. `graphs` insists on captured passes and is left out, with the
reason, where they have not proved equal.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch

from shared_optim.measures.observe import Observation
from tests.benchmarks.timing import kernels
from vision.config import Machine, Recipe
from vision.data.prepare import prepare
from vision.evaluation import evaluate
from vision.image_data import ImageData
from vision.module import VisionModule
from workload.errors import ConfigError
from workload.member import Member
from workload.program import Program
from workload.recipe import GraphMode
from workload.trainer import fit, prepare_torch

GPU = torch.device("cuda")
MEMBER = Member("l2", 5e-4, 0)


def seconds(call: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    begin = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return time.perf_counter() - begin


class Epochs(lightning.Callback):
    """Times the epochs of a training, and a call after each."""

    def __init__(self, module: VisionModule, mode: GraphMode) -> None:
        self.module, self.mode = module, mode
        self.ours: list[float] = []
        self.other: list[float] = []
        self.look, self.anatomy = 0.0, ""

    def on_train_start(self, *_: Any) -> None:
        self.start = seconds(lambda: self.module.use_graphs(self.mode))
        self.between = resident(self.module)

    def on_train_epoch_start(self, *_: Any) -> None:
        torch.cuda.synchronize()
        self._begin = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        if self.module.epoch_ended:
            torch.cuda.synchronize()
            self.ours.append(time.perf_counter() - self._begin)

    def on_train_epoch_end(self, *_: Any) -> None:
        self.module.end_epoch()
        self.other.append(seconds(self.between))

    def on_train_end(self, *_: Any) -> None:
        """What a look inside takes beside its update, and the kernels of an update."""
        module = self.module
        for parameter in module.parameters():
            parameter.grad = torch.zeros_like(parameter)

        def look() -> None:
            Observation(module.optimizer, module.start, before_backward=True).report().metrics()

        self.look = statistics.median(seconds(look) for _ in range(6))
        if module.replays_graphs:
            self.anatomy = kernels(module._whole[module.recipe.batch_size, False]._program)


def resident(module: VisionModule) -> Callable[[], None]:
    """Forward, backward and step on one batch, as often as an epoch has batches."""
    images, labels = module.batch(torch.arange(module.recipe.batch_size, device=GPU), 0)
    parameters = list(module.model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=1e-6, momentum=0.9, weight_decay=5e-4, fused=True)

    def passes() -> None:
        loss = module.loss(module.logits(images), labels)
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters), strict=True
        ):
            parameter.grad = gradient

    if not module.replays_graphs:

        def run() -> None:
            for _ in range(module.updates_per_epoch):
                passes()
                optimizer.step()

        return run
    program = Program(passes)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        program()
        program.capture()

    def replay() -> None:
        for _ in range(module.updates_per_epoch):
            program()
            optimizer.step()

    return replay


def measured(recipe: Recipe, folder: Path, mode: GraphMode) -> tuple[list[str], str]:
    module = VisionModule(recipe, MEMBER, ImageData(recipe, folder, 0, GPU)).to(GPU)
    module = module.to(memory_format=torch.channels_last)
    timed = Epochs(module, mode)
    fit(module, timed, device=GPU, epochs=recipe.epochs, data=module.data)
    ours, other = (statistics.median(each[1:]) for each in (timed.ours, timed.other))
    module.to(GPU)  # Lightning has moved it
    evaluation = seconds(lambda: evaluate(module.model, module.data.test, module.data.test.labels))
    per_update = 1e3 / module.updates_per_epoch
    cells = [
        f"{ours * per_update:.2f}",
        f"{other * per_update:.2f}",
        f"{ours / other:.3f}",
        f"{len(module.data.train) / ours:,.0f}",
        f"{timed.ours[0]:.2f}",
        f"{timed.start:.1f}",
        f"{1e3 * timed.look:.1f}",
        f"{evaluation:.2f}",
        f"{torch.cuda.max_memory_allocated() / 2**30:.1f}",
    ]
    return cells, timed.anatomy


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args()
    prepare_torch(Machine(device="cuda"))
    recipe = Recipe(data=arguments.data, epochs=arguments.epochs, subset=0)
    folder = Machine(data_dir=str(arguments.data_dir)).data_folder
    if not (recipe.images.folder(folder) / "images.json").exists():
        prepare(recipe.data, folder)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {recipe.data}\n")
    print(
        "| ResNet-18 | ms per update | on one batch | ratio (bar 1.1, aim 1.03) | images/s "
        "| first epoch, s | capture and proof, s | a look, ms | evaluation, s | GiB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    modes: tuple[GraphMode, ...] = ("on", "off")
    anatomies = []
    for precision in ("bf16", "float32"):
        for mode in modes:
            own = dataclasses.replace(recipe, precision=precision)
            name = f"{precision}, {'graphs' if mode == 'on' else 'no graphs'}"
            torch.cuda.reset_peak_memory_stats()
            try:
                cells, anatomy = measured(own, folder, mode)
                print(f"| {name} |", " | ".join(cells), "|", flush=True)
                anatomies += [f"\nAn update, {name}:\n", anatomy] if anatomy else []
            except ConfigError as error:
                print(f"| {name} | {error} |", flush=True)
    print("\n".join(anatomies))


if __name__ == "__main__":
    main()
