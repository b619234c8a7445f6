"""Everything that decides what a vision run computes, as typed values. Imports no torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from shared_optim.budget import decay_budget
from shared_optim.learning_rates import LearningRate, Steps
from shared_optim.schedules import Schedule, resolve
from vision.data.prepared import ImageSpec, image_set_name
from vision.models.catalog import ModelName, Norm
from workload.errors import ConfigError
from workload.network_recipe import NetworkRecipe
from workload.recipe import MachineBase, require_finite, require_positive

MANY = 10**9
"""Updates of an epoch where nobody knows yet: more than any number of updates in a schedule."""


@dataclass(frozen=True)
class Recipe(NetworkRecipe):
    """The training recipe of one network. An update is one step of the optimizer.

    Args:
        data: images: `cifar10`, `cifar100`, `tiny-imagenet`, `shapes`, or the folder that `wdbench
            prepare` was given.
        subset: images to train on, always the same; 0 takes all.
        test_subset: images to test on; 0 takes all.
        pool: side of the squares of pixels that become one.
        labels: `true`, or `shuffled`: the training labels in another order, one for each seed.
        epochs: passes over the training images.
        model: network.
        width: channels of its first layer; the published networks have 64.
        norm: `batch`, or `none`: without normalisation, with biases in its place.
        match_budget: whether lambda is scaled so that the decay schedule comes to the same sum of
            alpha*lambda as decay always: with `late:T`, late decay with the same budget.
        match_norms: after every epoch the weights are scaled to the norm that another run had
            then: its folder, or `SCHEME-LAMBDA@SCHEDULE` for the run beside this one with that
            decay, as `l2-5e-4@early:50epochs`. Goes with the scheme `none`.
        match: `whole` scales all weights by one factor, `layers` each parameter by its own.
        sphere: whether the scale-invariant weights alone are trained, and scaled to the norm 1, all
            by one factor, at the start and after every update: without momentum alpha is the
            effective learning rate then. Gains, shifts and the last layer stay as drawn. Goes with
            norm `batch` and the scheme `none`.
        branch: `RUN@EPOCH` goes on from the state of another run after an epoch that it has kept:
            its folder, or `SCHEME-LAMBDA,KEY=VALUE,...` for the run beside this one with that
            decay, these keys and else this recipe, as `l2-1e-2,learning_rate=0.1@50`. Epochs and
            schedules count from that run's beginning.
        batch_size: images per update.
        crop: by how many pixels an image is shifted at most, either way.
        flip: whether images are mirrored half of the time.
        evaluate_every: epochs between evaluations; the last one is always evaluated.
        sharpness_every: epochs between looks at sharpness on 1,000 training images, one of them
            after the last epoch; 0 takes none. A look takes as long as training on 100,000 images.
        log_every: updates between rows of metrics.jsonl and looks inside the optimizer.
    """

    data: str = "cifar10"
    subset: int = 0
    test_subset: int = 0
    pool: int = 1
    labels: Literal["true", "shuffled"] = "true"
    epochs: int = 200
    model: ModelName = "resnet18"
    width: int = 64
    norm: Norm = "batch"
    learning_rate: float = 0.1
    learning_rate_schedule: str = "exponential:0.97"
    match_budget: bool = False
    match_norms: str = ""
    match: Literal["whole", "layers"] = "whole"
    sphere: bool = False
    batch_size: int = 128
    crop: int = 4
    flip: bool = True
    evaluate_every: int = 1
    sharpness_every: int = 0
    log_every: int = 100

    KEYS_AFTER: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "norm": ("optimizer", "learning_rate_schedule", "warm_up", "momentum", "nesterov"),
        "nesterov": ("beta1", "beta2", "adam_eps", "eps_placement", "rounding", "decay_schedule"),
        "match_budget": ("decay_biases",),
        "sphere": ("branch", "average_weights"),
        "flip": ("precision",),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "epochs", "width", "batch_size", "evaluate_every", "log_every")
        require_finite(self, "crop", "sharpness_every")
        if not self.data:
            raise ConfigError("data: is empty; allowed are names of image sets, or a folder")
        if self.match != "whole" and not self.match_norms:
            raise ConfigError(f"match: {self.match} goes with match_norms; name a run there")
        self._check_sphere()
        self._check_branch()
        if not self.images.name:
            raise ConfigError(
                f"data: {self.data} has no name, which names the images; take another"
            )
        self._check_schedules()

    def _check_sphere(self) -> None:
        if self.sphere and self.norm == "none":
            raise ConfigError(
                "sphere: without normalisation no weights are scale-invariant; choose norm batch"
            )
        if self.sphere and self.match_norms:
            raise ConfigError(
                "sphere: the norm is 1, and match_norms asks for another run's; leave one of them"
            )

    def _check_branch(self) -> None:
        self.check_branch("EPOCH", "l2-1e-2,learning_rate=0.1@50")
        if not self.branch:
            return
        if self.branch_epoch >= self.epochs:
            raise ConfigError(
                f"branch: after epoch {self.branch_epoch} nothing is left of the {self.epochs} "
                "epochs, which count from the other run's beginning; choose more --epochs"
            )
        if self.match_norms:
            raise ConfigError("branch: does not go with match_norms; leave one of them")

    @property
    def branch_epoch(self) -> int:
        """After which of that run's epochs."""
        return self.branch_number

    def _check_schedules(self) -> None:
        falling = re.match(r"wsd:([0-9]+)epochs", self.learning_rate_schedule)
        if falling and int(falling[1]) > self.epochs:
            raise ConfigError(
                f"learning_rate_schedule: {self.learning_rate_schedule} falls over more than the "
                f"{self.epochs} epochs of the training; choose more --epochs, or fewer of them"
            )
        try:
            self.learning_rates(MANY)
        except ValueError as error:
            raise ConfigError(f"learning_rate_schedule: {error}") from error
        self._check_decay_schedule(MANY, f"{self.epochs} epochs")

    def _check_decay_schedule(self, updates_per_epoch: int, length: str) -> None:
        schedule = resolve(self.decay_schedule, updates_per_epoch)
        if schedule.steps >= self.epochs * updates_per_epoch:
            raise ConfigError(
                f"decay_schedule: {self.decay_schedule} is not within the {length} of the "
                "training; choose more --epochs, or an earlier one"
            )

    def check_updates(self, updates_per_epoch: int | None = None) -> None:
        """Raise ConfigError where a warm-up or a schedule is longer than the training.

        Of a recipe that another reads, such as a trunk, only a part may be named: it is not asked.

        Args:
            updates_per_epoch: None where nobody knows yet: what counts epochs is looked at.
        """
        per_epoch = updates_per_epoch or MANY
        updates = self.epochs * per_epoch
        length = f"{updates:,} updates" if updates_per_epoch else f"{self.epochs} epochs"
        late = f"is not within the {length} of the training; choose more --epochs, or"
        if self.warm_up >= updates:
            raise ConfigError(f"warm_up: {self.warm_up} {late} a shorter one")
        try:
            rates = self.learning_rates(per_epoch)
        except ValueError as error:
            raise ConfigError(f"learning_rate_schedule: {error}") from error
        if isinstance(rates, Steps) and rates.at[-1] >= updates:
            raise ConfigError(
                f"learning_rate_schedule: {self.learning_rate_schedule} {late} an earlier one"
            )
        self._check_decay_schedule(per_epoch, length)

    @property
    def images(self) -> ImageSpec:
        """The prepared images that it asks for."""
        name = image_set_name(self.data)
        return ImageSpec(name, self.subset, self.test_subset, self.pool)

    def learning_rates(self, updates_per_epoch: int) -> LearningRate:
        """alpha as a function of the updates done before."""
        return self.learning_rates_over(self.epochs * updates_per_epoch, updates_per_epoch)

    def budget(
        self, updates_per_epoch: int, *, always: bool = False, epochs: int | None = None
    ) -> float:
        """The sum of alpha_t*s_t over the training; times lambda, the decay budget.

        Args:
            updates_per_epoch: batches.
            always: with s_t = 1, in place of the decay schedule's.
            epochs: until when; all of them by default. A branch's sum begins where it does.
        """
        schedule = Schedule("always") if always else resolve(self.decay_schedule, updates_per_epoch)
        rates = self.learning_rates(updates_per_epoch)
        start = self.branch_epoch if self.branch else 0
        until, before = (
            decay_budget(rates, 1.0, each * updates_per_epoch, schedule)
            for each in (self.epochs if epochs is None else epochs, start)
        )
        return until - before

    def decay_factor(self, updates_per_epoch: int) -> float:
        """What lambda is multiplied with: 1, or what `match_budget` asks for.

        Raises:
            ConfigError: the schedule never decays.
        """
        if not self.match_budget:
            return 1.0
        own = self.budget(updates_per_epoch)
        if not own:
            raise ConfigError(
                f"match_budget: {self.decay_schedule} never decays within {self.epochs} epochs"
            )
        return self.budget(updates_per_epoch, always=True) / own


@dataclass(frozen=True)
class Machine(MachineBase):
    """Where and how a run is trained; no part of its identity.

    Args:
        checkpoint_every: updates between checkpoints within an epoch.
        devices: processes that share the images of an update, each with a GPU of its own.
        keep_every: epochs between states that are kept for good, for branches and `wdbench
            sharpness --epoch`; 0 keeps the newest alone.
        data_dir: folder of the prepared images.
    """

    checkpoint_every: int = 1_000
    devices: int = 1
    keep_every: int = 0
    data_dir: str = "data"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "devices")
        require_finite(self, "keep_every")

    @property
    def processes(self) -> int:
        return self.devices

    @property
    def data_folder(self) -> Path:
        return Path(self.data_dir)


def check_devices(recipe: Recipe, machine: Machine) -> None:
    """Raise ConfigError where the devices cannot share the images of an update."""
    devices = machine.devices
    if devices > recipe.batch_size:
        raise ConfigError(
            f"devices: {devices} cannot share the {recipe.batch_size} images of an update; choose "
            f"at most {recipe.batch_size}"
        )
    if devices > 1 and machine.graphs == "on":
        raise ConfigError(
            f"graphs: on, but there are none with {devices} devices; choose auto or off"
        )
