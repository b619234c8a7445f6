"""Noise and loss: Proposition 3 of the talk, c1 L <= E|g_i|^2 <= c2 L, along a training.

g_i is the gradient of the loss of one image, so E|g_i|^2 is what SGD with single images is shaken
by. With the residual r_i and the Jacobian J_i of the outputs, g_i = J_i' r_i:

* squared loss |r_i|^2/2: |g_i|^2 / L_i lies between twice the squares of the ends of J_i's singular
  values. Constants c1 and c2 hold as long as these move little.
* cross-entropy: r_i = softmax - label, |r_i|^2 falls as L_i^2 where an image is fitted, and
  |g_i|^2 / L_i as L_i: c1 is above 0 only where the loss is kept away from 0, as by decay.

Source: D'Angelo, Andriushchenko, Varre, Flammarion, "Why Do We Need Weight Decay in Modern Deep
Learning?", NeurIPS 2024.
"""

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from shared_optim.sgd import WeightDecaySGD
from vision.config import Machine
from vision.data.shapes import CLASSES, SIDE, draw
from vision.finished_run import FinishedRun
from vision.measures.gradient_noise import (
    GradientNoise,
    SampleLoss,
    gradient_noise,
)
from vision.theory.study import Study
from workload.errors import UserError
from workload.exhibits.document import Picture
from workload.exhibits.drawing import STYLES, legend, legend_lines, logarithmic, panels, picture
from workload.progress import StageProgress
from workload.trainer import prepare_torch

TEXT = "gradients of single images: their mean square beside the loss, in training or of runs"
DESCRIPTION = (
    "Measure gradients of single images: along the training of a small network on drawings, for "
    "cross-entropy and squared loss, or in the final networks of runs without batch normalisation."
)
WIDTH, BATCH = 64, 8
_COLOURS = {"cross-entropy": "#D55E00", "squared": "#0072B2"}
_OTHERS = ("#000000", "#009E73", "#E69F00", "#CC79A7", "#56B4E9")


def squared(outputs: Tensor, label: Tensor) -> Tensor:
    """|outputs - e_label|^2 / 2 over the last axis, e_label being 1 for the label and 0 else."""
    places = torch.arange(outputs.shape[-1], device=outputs.device)
    target = (places == label[..., None]).to(outputs.dtype)
    return (outputs - target).square().sum(-1) / 2


def cross_entropy(outputs: Tensor, label: Tensor) -> Tensor:
    """-log softmax(outputs) at the label, over the last axis."""
    return -torch.log_softmax(outputs, -1).gather(-1, label[..., None]).squeeze(-1)


LOSSES: dict[str, SampleLoss] = {"cross-entropy": cross_entropy, "squared": squared}


@dataclass(frozen=True)
class Look:
    """What was measured after so many epochs of a seed's training."""

    epoch: int
    noise: GradientNoise


def drawings(count: int) -> tuple[Tensor, Tensor]:
    """Drawings of `shapes`, [count, 3, 16, 16] float32 normalised, and labels, int64 [count]."""
    split = draw(count, 0, 0)
    pixels = torch.from_numpy(split.images).float()
    pixels = (pixels - pixels.mean((0, 1, 2))) / pixels.std((0, 1, 2))
    return pixels.permute(0, 3, 1, 2).contiguous(), torch.from_numpy(split.labels)


def network() -> nn.Module:
    """A perceptron with one hidden layer, [B, 3, 16, 16] -> [B, 10]; initial weights are torch's
    own."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(3 * SIDE * SIDE, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, len(CLASSES)),
    )


def train(
    loss: SampleLoss,
    images: Tensor,
    labels: Tensor,
    *,
    learning_rate: float,
    decay: float,
    epochs: int,
    seed: int,
    show: StageProgress = lambda stage, done, total: None,
) -> list[Look]:
    """Train the network by SGD with L2 decay, and measure it at about 16 epochs, the first ones
    closer together; ends where the loss is not finite."""
    torch.manual_seed(seed)
    model = network()
    optimizer = WeightDecaySGD(model.parameters(), lr=learning_rate, l2=decay)
    order = torch.Generator().manual_seed(seed)
    at = {0, epochs, *(int(epoch) for epoch in np.geomspace(1, epochs, 16).round())}
    looks = []
    for epoch in range(epochs + 1):
        if epoch in at:
            looks.append(Look(epoch, gradient_noise(model, loss, images, labels)))
            if not np.isfinite(looks[-1].noise.loss):
                break
        if epoch == epochs:
            break
        for places in torch.split(torch.randperm(len(images), generator=order), BATCH):
            optimizer.zero_grad()
            torch.autograd.backward(loss(model(images[places]), labels[places]).mean())
            optimizer.step()
        show("epoch", epoch + 1, epochs)
    return looks


def add_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN",
        help="folders of finished vision runs with --norm none; with none a small network is "
        "trained",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=int, default=400, metavar="N",
        help="to train on and to measure with; default %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--losses", nargs="+", choices=tuple(LOSSES), default=tuple(LOSSES),
        help="that the small network is trained with",
    )  # fmt: skip
    parser.add_argument(
        "--learning_rate", "--learning-rate", type=float, default=0.01, metavar="LR"
    )
    parser.add_argument("--decay", type=float, default=0.0, metavar="LAMBDA", help="of L2")
    parser.add_argument("--epochs", type=int, default=100, metavar="N", help="default %(default)s")
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="default %(default)s")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="of runs")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="for arithmetic")
    parser.add_argument(
        "--data_dir", "--data-dir", type=Path, default=Path("data"), metavar="DIR",
        help="where images of runs are kept",
    )  # fmt: skip


def check(values: Any) -> None:
    """Raise UserError for flags that have no meaning."""
    for name in ("images", "epochs", "seeds", "learning_rate"):
        if not 0 < getattr(values, name) < np.inf:
            raise UserError(f"{name}: {getattr(values, name)} is not a number above 0")
    if not 0 <= values.decay < np.inf:
        raise UserError(f"decay: {values.decay} is not a number of 0 or more")


def study(values: Any, show: StageProgress) -> Study:
    """Measure the runs, or train and measure the small network."""
    machine = Machine(device=values.device, threads=values.threads, data_dir=str(values.data_dir))
    if values.runs:
        return _of_runs([FinishedRun.open(path) for path in values.runs], machine, values, show)
    prepare_torch(machine)
    images, labels = drawings(values.images)

    def trained(name: str, seed: int) -> list[Look]:
        return train(
            LOSSES[name],
            images,
            labels,
            learning_rate=values.learning_rate,
            decay=values.decay,
            epochs=values.epochs,
            seed=seed,
            show=lambda _, done, total: show(f"{name}, seed {seed}: epoch", done, total),
        )

    found = {
        name: [trained(name, seed) for seed in range(values.seeds)]
        for name in dict.fromkeys(values.losses)
    }
    trajectories = [
        (name, _COLOURS[name], [look.noise for look in looks])
        for name, of_seeds in found.items()
        for looks in of_seeds
    ]
    return Study(
        head=("loss", "epoch", "L", "E|g_i|^2", "|E g_i|^2", "E|g_i|^2 / L", "c1", "c2"),
        rows=[row for name, of_seeds in found.items() for row in _rows(name, of_seeds[0])],
        notes=_notes(found, values),
        data={
            "images": values.images,
            "learning_rate": values.learning_rate,
            "decay": values.decay,
            "trainings": [
                {
                    "loss": name,
                    "seed": seed,
                    "looks": [{"epoch": look.epoch, **asdict(look.noise)} for look in looks],
                }
                for name, of_seeds in found.items()
                for seed, looks in enumerate(of_seeds)
            ],
        },
        picture=_figure(trajectories),
    )


def exponent(looks: Sequence[GradientNoise], below: float) -> float:
    """The slope of log E|g_i|^2 over log L while L < below, by least squares; nan with fewer than
    two such looks. 1 where the noise is in proportion to the loss."""
    fitted = [look for look in looks if 0 < look.loss < below]
    if len({look.loss for look in fitted}) < 2:
        return float("nan")
    loss, square = (np.log([getattr(look, name) for look in fitted]) for name in ("loss", "square"))
    return float(np.polyfit(loss, square, 1)[0])


def _notes(found: dict[str, list[list[Look]]], values: Any) -> list[str]:
    lines = [
        f"Seed 0 of {values.seeds}, {values.images} drawings, batch {BATCH}, a hidden layer of "
        f"{WIDTH}. c1, c2: the lowest and highest |g_i|^2 / L_i of an image."
    ]
    for name, of_seeds in found.items():
        ratios, slopes = [], []
        for looks in of_seeds:
            noises = [look.noise for look in looks]
            ratios += [noise.ratio for noise in noises]
            slopes.append(exponent(noises, below=noises[0].loss / 4))
        losses = [look.noise.loss for looks in of_seeds for look in looks]
        lines.append(
            f"{name}: while L goes from {max(losses):.3g} to {min(losses):.3g}, E|g_i|^2 / L is "
            f"from {min(ratios):.3g} to {max(ratios):.3g}; below a quarter of the first L, "
            f"E|g_i|^2 goes as L to the {' '.join(f'{slope:.2f}' for slope in slopes)}."
        )
    return lines


def _of_runs(
    runs: Sequence[FinishedRun], machine: Machine, values: Any, show: StageProgress
) -> Study:
    """The noise of each run's newest weights, over some training images as they are."""
    for run in runs:
        if run.recipe.norm == "batch":
            raise UserError(
                f"norm: {run.path} has batch normalisation, through which an image's gradient "
                "depends on its batch: there are no gradients of single images; train with "
                "--norm none"
            )
    found: list[tuple[FinishedRun, GradientNoise]] = []
    for done, run in enumerate(runs):
        show("run", done, len(runs))
        module, images = run.load(machine)
        places = images.sample(values.images)
        noise = gradient_noise(
            module.model, cross_entropy, images.middle(places), images.labels[places]
        )
        found.append((run, noise))
    return Study(
        head=("run", "L", "E|g_i|^2", "|E g_i|^2", "E|g_i|^2 / L", "c1", "c2"),
        rows=[[run.name, *_cells(noise)] for run, noise in found],
        notes=(
            "Cross-entropy on training images as they are. c1, c2: the lowest and highest "
            "|g_i|^2 / L_i of an image.",
        ),
        data={
            "images": values.images,
            "runs": [{"run": run.name, **asdict(noise)} for run, noise in found],
        },
        picture=_figure(
            [
                (run.name, _OTHERS[nth % len(_OTHERS)], [noise])
                for nth, (run, noise) in enumerate(found)
            ]
        ),
    )


def _rows(name: str, looks: Sequence[Look]) -> list[list[str]]:
    """Every other look, the last among them."""
    return [[name, str(look.epoch), *_cells(look.noise)] for look in looks[::-1][::2][::-1]]


def _cells(noise: GradientNoise) -> list[str]:
    numbers = (
        noise.loss, noise.square, noise.square_of_mean, noise.ratio, noise.lowest, noise.highest
    )  # fmt: skip
    return [f"{number:.3g}" for number in numbers]


def _figure(trajectories: Sequence[tuple[str, str, Sequence[GradientNoise]]]) -> Picture:
    """E|g_i|^2 and its ratio to L, over L; a line per training, a point per run."""
    from matplotlib.lines import Line2D

    drawn = {name: colour for name, colour, _ in trajectories}
    handles = [
        Line2D([], [], label=name, color=colour, marker="o", markersize=2)
        for name, colour in drawn.items()
    ]
    handles.append(Line2D([], [], label="in proportion to L", color="#555555", linestyle=STYLES[3]))
    figure, axes = panels(1, 2, 2.4, gap=0.65, lines=legend_lines(handles))
    for name, colour, looks in trajectories:
        looks = [look for look in looks if np.isfinite(look.square) and look.loss > 0]
        if not looks:
            continue
        loss = [look.loss for look in looks]
        axes[0].plot(loss, [look.square for look in looks], "o-", color=drawn[name], markersize=2)
        axes[1].plot(loss, [look.ratio for look in looks], "o-", color=colour, markersize=2)
    guide = np.array(axes[0].get_xlim())
    middle = np.exp(
        np.mean([np.log(look.ratio) for *_, looks in trajectories for look in looks if look.square])
    )
    axes[0].plot(guide, middle * guide, color="#555555", linestyle=STYLES[3])
    for panel, label in zip(axes, ("E|g_i|^2", "E|g_i|^2 / L"), strict=True):
        logarithmic(panel, "x", "y")
        panel.set_xlabel("training loss L")
        panel.set_title(label)
    legend(figure, handles)
    return picture(
        "gradient_noise",
        "Noise and loss",
        "Mean squared gradient of single images over the training loss.",
        figure,
    )
