"""`wdbench sharpness RUN...`: how sharp the minima of runs are, in four ways."""

from __future__ import annotations

import math
import re
from argparse import ArgumentParser
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from vision.config import Machine
from vision.finished_run import FinishedRun
from vision.measures.hessian import extreme_eigenvalue, trace
from vision.measures.keskar import keskar_sharpness
from vision.measures.objective import Objective, network_loss
from vision.measures.perturbation import Kind, perturbed_losses
from vision.sharpness_file import ADDITIVE_GAMMA, DRAWS, GAMMA, PROBES, sharpness_path
from workload.errors import UserError
from workload.files import write_json
from workload.kept import kept_epochs
from workload.output import aligned, say, stage_line
from workload.progress import StageProgress
from workload.several_runs import of_each

IMAGES, MEASURES = 5_000, 6
NEWEST, ALL = "newest", "all"
MULTIPLICATIVE = (GAMMA / 2, GAMMA, 2 * GAMMA)
ADDITIVE = (ADDITIVE_GAMMA / 2, ADDITIVE_GAMMA)


def main(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    """Measure each run, write sharpness.json into its folder, and print a table. Of a kept epoch
    the numbers go beside its state. Runs that cannot be read are named and left out."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a vision run's folder")
    parser.add_argument(
        "--epoch", default="newest", metavar="N", help="a kept epoch, all of them, or the newest"
    )
    parser.add_argument(
        "--images", type=int, default=IMAGES, metavar="N", help="training images at most"
    )
    parser.add_argument(
        "--gammas", type=float, nargs="+", default=MULTIPLICATIVE, metavar="G",
        help="sizes of the noise in proportion to weights",
    )  # fmt: skip
    parser.add_argument(
        "--additive_gammas", "--additive-gammas", type=float, nargs="+", default=ADDITIVE,
        metavar="G", help="sizes of the added noise",
    )  # fmt: skip
    parser.add_argument("--draws", type=int, default=DRAWS, help="of noise")
    parser.add_argument("--probes", type=int, default=PROBES, help="of the trace")
    parser.add_argument(
        "--epsilon", type=float, default=5e-4, help="of the box in which Keskar's measure looks"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="for arithmetic")
    parser.add_argument(
        "--data_dir", "--data-dir", type=Path, default=Path("data"), metavar="DIR",
        help="where images are kept",
    )  # fmt: skip
    values = parser.parse_args(arguments)
    _check(values)
    machine = Machine(device=values.device, threads=values.threads, data_dir=str(values.data_dir))
    ended = values.epoch == NEWEST

    def chosen(path: Path) -> list[tuple[FinishedRun, int | None]]:
        run = FinishedRun.open(path, ended=ended)
        return [(run, epoch) for epoch in _epochs(path, values)]

    with stage_line() as show:

        def row(measured: tuple[FinishedRun, int | None]) -> list[str]:
            run, epoch = measured
            found = measure_run(run, epoch, machine, values, show)
            write_json(sharpness_path(run.path, epoch), found)
            return _row(run, epoch, found)

        rows = of_each(chain.from_iterable(of_each(values.runs, chosen)), row)
    head = ["run", "L", *_columns(values), "Keskar", "top", "bottom", "trace"]
    say("\n".join(aligned([head, *rows], left=1, rule=True)))
    say(
        "\nL: mean cross-entropy on training images as they are, in eval mode. S(g): the same with "
        "each weight times 1 + g*N(0, 1), A(g): plus g*N(0, 1); in brackets less L."
    )
    return 0


def measure_run(
    run: FinishedRun, epoch: int | None, machine: Machine, values: Any, show: StageProgress
) -> dict[str, Any]:
    """All measures of a run's weights, the newest or those of a kept epoch.

    Raises:
        UserError: there are none, or they are not finite.
    """
    module, labelled = run.load(machine, epoch)
    places = labelled.sample(values.images)
    steps = _Steps(run.path.name, show)
    with network_loss(module.model, labelled, places, between=steps.batch) as objective:
        return {
            "epoch": module.position.epoch,
            "images": len(places),
            "draws": values.draws,
            "epsilon": values.epsilon,
            **_measures(objective, values, steps),
        }


def _measures(objective: Objective, values: Any, steps: _Steps) -> dict[str, Any]:
    loss = objective.loss()
    if not math.isfinite(loss):
        raise UserError(f"the loss is {loss}: its minimum cannot be measured")
    found: dict[str, Any] = {"loss": loss}
    kinds: dict[Kind, Sequence[float]] = {
        "multiplicative": values.gammas,
        "additive": values.additive_gammas,
    }
    for kind, gammas in kinds.items():
        steps.begin(f"{kind} noise")
        found[kind] = [
            {
                "gamma": each.gamma,
                "loss": each.loss.value,
                "error": each.loss.error,
                "difference": each.difference,
            }
            for each in perturbed_losses(objective, kind, gammas, draws=values.draws)
        ]
    steps.begin("Keskar's maximum")
    found["keskar"] = keskar_sharpness(objective, epsilon=values.epsilon)
    for end in ("top", "bottom"):
        steps.begin(f"{end} eigenvalue")
        eigenvalue = extreme_eigenvalue(objective, end)
        found[end] = {"value": eigenvalue.value, "products": eigenvalue.products}
    steps.begin("trace")
    estimated = trace(objective, probes=values.probes)
    found["trace"] = {"value": estimated.value, "error": estimated.error, "probes": values.probes}
    return found


class _Steps:
    """Shows which measure of a run is taken, at every batch of images that it computes."""

    def __init__(self, run: str, show: StageProgress) -> None:
        self._run, self._show, self._measure, self._number = run, show, "loss", 0

    def begin(self, measure: str) -> None:
        self._measure = measure
        self._number += 1

    def batch(self) -> None:
        self._show(f"{self._run}: {self._measure}, measure", self._number, MEASURES)


def _check(values: Any) -> None:
    if values.epoch not in (NEWEST, ALL) and not re.fullmatch(r"[1-9]\d*", values.epoch):
        raise UserError(f"epoch: {values.epoch!r} is no number of an epoch, nor {ALL} or {NEWEST}")
    for name in ("gammas", "additive_gammas"):
        for gamma in getattr(values, name):
            _check_size(name, gamma)
    for name in ("images", "draws", "probes", "epsilon"):
        _check_size(name, getattr(values, name))


def _check_size(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise UserError(f"{name}: {value} is not above 0, or not finite")


def _epochs(run: Path, values: Any) -> list[int | None]:
    """The epochs that are asked for; None is the newest state."""
    if values.epoch == NEWEST:
        return [None]
    if values.epoch != ALL:
        return [int(values.epoch)]
    kept = kept_epochs(run)
    if not kept:
        raise UserError(f"{run} has kept no epochs: train it in another --runs with --keep-every N")
    return list(kept)


def _columns(values: Any) -> list[str]:
    return [*(f"S({g:g})" for g in values.gammas), *(f"A({g:g})" for g in values.additive_gammas)]


def _row(run: FinishedRun, epoch: int | None, found: dict[str, Any]) -> list[str]:
    losses = [
        f"{each['loss']:.3f} ({each['difference']:+.3f})"
        for kind in ("multiplicative", "additive")
        for each in found[kind]
    ]
    estimated = found["trace"]
    return [
        run.name + (f"@{epoch}" if epoch else ""),
        f"{found['loss']:.3f}",
        *losses,
        f"{found['keskar']:.3f}",
        f"{found['top']['value']:.4g}",
        f"{found['bottom']['value']:.4g}",
        f"{estimated['value']:.4g} +- {estimated['error']:.2g}",
    ]
