"""Images as a workload. Importing it imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vision.cost import (
    IMAGES,
    Images,
    about_parameters,
    known_images,
    run_disk,
    training_memory,
    training_seconds,
)
from vision.pictures import check_pictures
from workload import resources
from workload.contract import Command, Demo
from workload.errors import ConfigError, UserError
from workload.network_workload import NetworkWorkload
from workload.output import say
from workload.wording import amount, unknown

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from vision import config
    from workload.contract import Reference
    from workload.findings import Finding
    from workload.member import Member, Outcome, RunLog
    from workload.progress import Progress
    from workload.report import Report
    from workload.resources import FreeMemory


def _prepare(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    from vision.data.command import main

    return main(parser, arguments)


def _is_images(name: str) -> bool:
    from vision.data.folder import is_image_folder
    from vision.data.prepared import KNOWN

    return name in KNOWN or is_image_folder(Path(name))


def _sharpness(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    from vision.sharpness import main

    return main(parser, arguments)


def _theory(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    from vision.theory.command import main

    return main(parser, arguments)


class VisionWorkload(NetworkWorkload["config.Recipe", "config.Machine"]):
    NAME = "vision"
    TITLE = "Image classification under schedules of weight decay, in SGD or Adam."
    EXAMPLE = "--preset shapes-tiny --scheme l2 --weight-decay 7e-3 --decay-schedule early:2epochs"
    DEMO = Demo(
        "decay always, early and late on drawings made by code, about a minute per run",
        (
            "--preset shapes-tiny",
            *(
                f"--preset shapes-tiny --scheme l2 --weight-decay 7e-3 --decay-schedule {schedule}"
                for schedule in ("always", "early:4epochs", "late:4epochs")
            ),
        ),
    )
    PRESET = "cifar10"
    SCHEME = "l2"  # as in torch.optim.SGD and Adam
    PRESET_KEY = "data"
    TASK_KEY = "data"
    STEP_KEY = "updates"
    EPOCH_KEY = "epoch"
    LENGTH_KEY = "epochs"
    SECTIONS = {  # noqa: RUF012
        "What is trained, and how long": (
            "data",
            "subset",
            "test_subset",
            "pool",
            "labels",
            "epochs",
            "evaluate_every",
            "sharpness_every",
            "log_every",
        ),
        "Network": ("model", "width", "norm"),
        "Optimizer": (
            "optimizer",
            "learning_rate",
            "learning_rate_schedule",
            "warm_up",
            "momentum",
            "nesterov",
            "beta1",
            "beta2",
            "adam_eps",
            "eps_placement",
            "rounding",
            "precision",
        ),
        "Weight decay": (
            "decay_schedule",
            "match_budget",
            "decay_biases",
            "match_norms",
            "match",
            "sphere",
        ),
        "Beginning": ("branch",),
        "Mean of the weights": ("average_weights",),
        "Batches": ("batch_size", "crop", "flip"),
    }
    COMMANDS = (
        Command(
            name="prepare",
            text="make images ready for `run vision`",
            description="Prepare images for `run vision`. What is finished is not redone.",
            main=_prepare,
            examples=(
                "wdbench prepare cifar10",
                "wdbench prepare pictures/mine",
            ),
            accepts=_is_images,
            takes="cifar10, cifar100, tiny-imagenet, shapes, a folder of images (train/CLASS/*.png "
            "or train.npz ...)",
        ),
        Command(
            name="sharpness",
            text="measure how sharp the minima of vision runs are, in four ways",
            description="Measure how sharp the minima of vision runs are.",
            main=_sharpness,
            examples=(
                "wdbench sharpness RUN",
                "wdbench sharpness RUN --epoch all",
            ),
        ),
        Command(
            name="theory",
            text="train small models beside what theory says of them, in seconds",
            description="Train a small model, and put what theory says of it beside it.",
            main=_theory,
            examples=(
                "wdbench theory diagonal-net",
                "wdbench theory noise RUN",
            ),
        ),
    )

    @property
    def Recipe(self) -> type[config.Recipe]:
        from vision.config import Recipe

        return Recipe

    @property
    def Machine(self) -> type[config.Machine]:
        from vision.config import Machine

        return Machine

    @property
    def report(self) -> Report:
        from vision.report import REPORT

        return REPORT

    def task(self, recipe: config.Recipe) -> str:
        """The image set; of a folder its last name, as under data/."""
        return recipe.images.name

    def resolved(self, recipe: config.Recipe) -> dict[str, Any]:
        """Image sets and runs are the same however their folders were written."""
        from workload.reference import run_name

        norms, branch = run_name(recipe.match_norms), recipe.branch
        if norms and "/" not in norms and "@" not in norms:
            norms += "@always"
        if branch:
            branch = f"{run_name(recipe.branch_run)}@{recipe.branch_epoch}"
        own = {"data": self.task(recipe), "match_norms": norms, "branch": branch}
        return super().resolved(recipe) | own

    def free_keys(self, recipe: Mapping[str, Any]) -> tuple[str, ...]:
        """The length is one where neither alpha nor lambda depends on it. That of a branch counts
        from its trunk's beginning: cut to it, other runs would be compared at a random epoch."""
        fixed = recipe["learning_rate_schedule"].startswith(("cosine", "wsd"))
        length = () if fixed or recipe["match_budget"] or recipe["branch"] else ("epochs",)
        return (*length, "evaluate_every", "sharpness_every", "log_every")

    def memory_summary(self, recipe: config.Recipe, members: int) -> str:
        model = about_parameters(recipe)
        runs = f"{members} runs, one after the other, each" if members > 1 else "one run"
        return (
            f"{runs} of about {model / 1e6:.2g} million parameters: "
            f"{amount(training_memory(recipe, process=False))} with gradients, buffers and images, "
            f"up to {amount(members * run_disk(recipe))} on disk"
        )

    def validate(self, recipe: config.Recipe, machine: config.Machine) -> None:
        """Raise UserError for images that are neither known nor prepared nor a folder, and for
        schedules that are longer than the training."""
        from vision.data.prepared import KNOWN

        recipe.check_updates()
        spec = recipe.images
        if spec.name in IMAGES and spec.subset > (most := IMAGES[spec.name][0]):
            raise UserError(
                f"subset: {spec.subset:,} is more than the {most:,} training images of {spec.name}"
            )
        if spec.name in KNOWN or spec.folder(machine.data_folder).parent.is_dir():
            return
        if Path(recipe.data).is_dir():
            return
        if recipe.data in self.preset_names():
            raise UserError(f"data: {recipe.data!r} is a preset; write --preset {recipe.data}")
        known = dict.fromkeys((*KNOWN, *self.preset_names()))
        if machine.data_folder.is_dir():
            known |= dict.fromkeys(sorted(folder.name for folder in machine.data_folder.iterdir()))
        raise UserError(f"data: no folder of images, and {unknown('data', recipe.data, known)}")

    def validate_members(self, recipe: config.Recipe, members: Sequence[Member]) -> None:
        """Raise UserError where the optimizer does not have a member's scheme, or norms are to be
        matched, or kept at 1, with decay on."""
        from shared_optim.schemes import BASELINE

        self.references(recipe, members)
        for member in members:
            if recipe.match_norms and member.scheme != BASELINE:
                raise UserError(
                    f"match_norms: goes with the scheme {BASELINE}, not with {member.scheme}: the "
                    "norms would be decayed as well"
                )
            if recipe.sphere and member.scheme != BASELINE:
                raise UserError(
                    f"sphere: goes with the scheme {BASELINE}, not with {member.scheme}: every "
                    "update ends at the norm 1, whatever has decayed"
                )
        super().validate_members(recipe, members)

    def references(
        self, recipe: config.Recipe, members: Sequence[Member]
    ) -> Sequence[Reference[config.Recipe]]:
        """The runs whose norms are taken or that are gone on from, where they are named."""
        from vision.reference import norms_reference
        from workload.reference import branch_reference

        finders = (norms_reference, branch_reference)
        found = (find(recipe, member) for member in members for find in finders)
        return [each for each in found if each is not None]

    def reference_problem(
        self,
        recipe: config.Recipe,
        run: Path,
        training: tuple[config.Recipe, config.Machine] | None,
    ) -> str | None:
        """The state after an epoch that a branch begins with."""
        from workload.keeping import will_keep

        if not recipe.branch:
            return None
        epoch = recipe.branch_epoch
        if will_keep(run, epoch, training and (training[0].epochs, training[1].keep_every)):
            return None
        where = "" if training else " in another --runs, for it has finished,"
        return (
            f"branch: {run} will have no state of epoch {epoch}; train it{where} with keep_every "
            f"a divisor of {epoch}"
        )

    def check(self, recipe: config.Recipe, machine: config.Machine, runs: Sequence[Path]) -> None:
        """Raise UserError where images, device, memory or disk do not suffice."""
        from vision.config import check_devices

        if problem := self.missing_data(recipe, machine):
            raise UserError(problem)
        known = self._known(recipe, machine)
        if known is not None:
            check_pictures(recipe, *known)
            recipe.check_updates(math.ceil(known[0] / recipe.batch_size))
        check_devices(recipe, machine)
        resources.check_device(machine.device, machine.processes)
        need = machine.devices * training_memory(recipe, known)
        if need > (memory := resources.free_memory()):
            raise UserError(
                f"width: {self.memory_summary(recipe, 1)}; training takes {amount(need)} "
                f"of memory in all, {amount(memory)} are free; choose a smaller --width"
            )
        self.check_disk(runs, run_disk(recipe, machine.keep_every))

    def missing_data(self, recipe: config.Recipe, machine: config.Machine) -> str | None:
        """How to prepare the images, where that has not been done; `shapes` make themselves."""
        from vision.data.prepared import EMBEDDED, KNOWN

        spec, folder = recipe.images, recipe.images.folder(machine.data_folder)
        if spec.name == EMBEDDED or (folder / "images.json").exists():
            return None
        source = recipe.data
        if source not in KNOWN and not Path(source).is_dir():
            source = f"FOLDER/{spec.name}"
        command = spec.command(machine.data_folder, source)
        return f"data: {spec.name} is not prepared in {folder}; run `{command}` first"

    def prepare_data(self, recipe: config.Recipe, machine: config.Machine) -> None:
        """Draw the images that need no download, where they are not there yet."""
        from vision.data.prepared import EMBEDDED

        spec, folder = recipe.images, recipe.images.folder(machine.data_folder)
        if spec.name != EMBEDDED or (folder / "images.json").exists():
            return
        from vision.data.prepare import prepare

        say(f"preparing {folder}")
        prepare(
            spec.name,
            machine.data_folder,
            subset=spec.subset,
            test_subset=spec.test_subset,
            pool=spec.pool,
        )

    def max_population(self, recipe: config.Recipe, memory: FreeMemory) -> int:
        return int(memory.host > training_memory(recipe))

    def disk(self, recipe: config.Recipe, machine: config.Machine) -> int:
        return run_disk(recipe, machine.keep_every)

    def core_seconds(self, recipe: config.Recipe, machine: config.Machine) -> float | None:
        """None before the images of somebody's own are prepared."""
        known = self._known(recipe, machine)
        return None if known is None else training_seconds(recipe, known)

    def train(
        self,
        recipe: config.Recipe,
        members: Sequence[Member],
        logs: Sequence[RunLog],
        machine: config.Machine,
        *,
        progress: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> Sequence[Outcome]:
        from vision.training import train_members

        return train_members(recipe, members, logs, machine, progress=progress, stop=stop)

    def doctor(self) -> Iterator[Finding]:
        from vision.doctor import findings

        return findings()

    def _known(self, recipe: config.Recipe, machine: config.Machine) -> Images | None:
        """The training images, as prepared or as they will be; None of somebody's own that are not
        prepared."""
        from vision.data.prepared import Prepared

        try:
            prepared = Prepared.open(recipe.images.folder(machine.data_folder))
        except ConfigError:
            return known_images(recipe)
        return prepared.train, prepared.side


WORKLOAD = VisionWorkload()
