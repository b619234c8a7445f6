"""A network on images as a LightningModule, by automatic optimization."""

import functools
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import lightning
import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn import functional

from shared_optim.learning_rates import LearningRate
from shared_optim.measures.observe import Observation
from vision.config import Recipe
from vision.growth import Growth
from vision.image_data import ImageData
from vision.models.catalog import build
from vision.models.layers import scale_invariant
from vision.models.whole_batch import BatchNorm2d, whole_batch
from vision.norm_matching import NormReference
from vision.optimizer import make_optimizer
from vision.radial import cosines, negative_loss
from vision.sphere import project
from vision.whole_update import WholeUpdate
from workload import counter
from workload.arriving import Arriving
from workload.build_optimizer import AnyOptimizer, effective_rates
from workload.errors import ConfigError
from workload.member import Member
from workload.network_module import NetworkModule
from workload.network_training import NetworkTraining
from workload.recipe import GraphMode
from workload.weight_figures import distance, squares


class VisionModule(NetworkModule[Recipe]):
    """One network for anybody's Trainer: `Trainer(max_epochs=recipe.epochs).fit(module, data)`; see
    `NetworkModule`.

    Args:
        recipe: the recipe.
        member: scheme, lambda and seed.
        data: the images, on the device that the module will be on.
        shard, shards: which of how many processes this is: they share the images of each update.

    Raises:
        ConfigError: the scheme is not the optimizer's, or a budget cannot be matched.
    """

    def __init__(
        self,
        recipe: Recipe,
        member: Member,
        data: ImageData,
        *,
        shard: int = 0,
        shards: int = 1,
    ) -> None:
        torch.manual_seed(member.seed)
        model: nn.Module = build(recipe.model, len(data.classes), recipe.norm, recipe.width)
        invariant = scale_invariant(model)
        if recipe.sphere:
            project([p for name, p in model.named_parameters() if name in invariant])
        lightning.LightningModule.__init__(self)
        NetworkTraining.__init__(
            self, recipe, member, model, data.position, shard=shard, shards=shards
        )
        self.data, self.invariant = data, invariant
        # loss, right answers and images: since the last row, of this epoch; where the images are
        device = data.labels.device
        self.window, self.epoch_sums = torch.zeros(2, 3, dtype=torch.float64, device=device)
        self.reference: NormReference | None = None
        self._negative: list[Tensor] | None = None
        self._normalisations = [each for each in model.modules() if isinstance(each, BatchNorm2d)]
        self._in_flight: Arriving | None = None
        # by images per update, and whether it is looked into
        self._whole: dict[tuple[int, bool], WholeUpdate] = {}

    @property
    def names(self) -> list[str]:
        """Of the network's parameters."""
        return [name for name, _ in self.model.named_parameters()]

    @property
    def updates_per_epoch(self) -> int:
        return self.data.batches.per_epoch

    @property
    def epochs(self) -> int:
        return self.recipe.epochs

    @property
    def _invariant_weights(self) -> list[Tensor]:
        return [p for name, p in self.model.named_parameters() if name in self.invariant]

    def make_optimizer(self) -> AnyOptimizer:
        return make_optimizer(self.model, self.recipe, self.member, self.updates_per_epoch)

    @property
    def learning_rates(self) -> LearningRate:
        return self.recipe.learning_rates(self.updates_per_epoch)

    @functools.cached_property
    def growth(self) -> Growth:
        rest = [p for name, p in self.model.named_parameters() if name not in self.invariant]
        # on the sphere the rest has no steps, and a learning rate of 0
        return Growth(
            {"invariant": self._invariant_weights, "rest": [] if self.recipe.sphere else rest}
        )

    def use_graphs(self, mode: GraphMode) -> None:
        """Let a GPU replay whole updates as graphs from here on, where that is equal.

        Call it in `on_train_start`: graphs from before a Trainer's start write into memory that it
        frees.

        Args:
            mode: `auto` where there is a GPU and the graphs have proved equal to the plain path,
                with a warning where they have not; `on` insists; `off` never.

        Raises:
            ConfigError: with `on`, where that cannot be.
        """
        if mode == "on" and (reason := self._no_graphs()):
            raise ConfigError(f"graphs: on, but {reason}; choose auto or off")
        if mode == "off" or self._no_graphs():
            return
        self.model.train()
        whole = self.whole_updates()
        problem = next(filter(None, (update.capture() for update in whole.values())), "")
        if not problem:
            self._whole = whole
        elif mode == "on":
            raise ConfigError(f"graphs: on, but {problem}; choose auto or off")
        else:
            warnings.warn(
                f"trains without CUDA graphs, slower: {problem}", RuntimeWarning, stacklevel=2
            )

    def _no_graphs(self) -> str:
        """Why there can be none, or nothing."""
        kind = self.data.labels.device.type
        if kind != "cuda":
            return f"there are none on {kind}"
        return "" if self.shards == 1 else f"there are none with {self.shards} devices"

    @property
    def replays_graphs(self) -> bool:
        """Whether graphs have proved themselves and are used."""
        return bool(self._whole)

    def whole_updates(self) -> dict[tuple[int, bool], WholeUpdate]:
        """Those of an epoch, by images per update and whether it is looked into. There is none for
        an epoch's last, smaller batch where that is looked into, which is rare."""
        images = len(self.data.train)
        size = min(self.recipe.batch_size, images)
        sizes = dict.fromkeys((size, images % size or size))
        whole = {(each, False): WholeUpdate(self, each) for each in sizes}
        return whole | {(size, True): WholeUpdate(self, size, keeps_gradients=True)}

    @property
    def arithmetic(self) -> torch.dtype:
        """Of convolutions and products."""
        return torch.bfloat16 if self.recipe.precision == "bf16" else torch.float32

    def batch(self, places: Tensor, stream: int | Tensor) -> tuple[Tensor, Tensor]:
        """Images cropped and mirrored by the numbers of a stream, [B, 3, H, W], and labels [B]."""
        images = self.data.train.augmented(places, stream, flip=self.recipe.flip)
        return images, self.data.labels[places]

    @property
    def stream(self) -> int:
        """Of the present epoch's crops."""
        return counter.stream(self.member.seed, counter.AUGMENTATION, self.position.epoch)

    def logits(self, images: Tensor) -> Tensor:
        """What the network makes of images, [B, classes] float32."""
        kind, lower = images.device.type, self.arithmetic != torch.float32
        with torch.autocast(kind, self.arithmetic, enabled=lower, cache_enabled=False):
            logits: Tensor = self.model(images)
        return logits.float()

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The mean cross-entropy."""
        return functional.cross_entropy(logits, labels)

    def count(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch to the sums."""
        right = (logits.detach().argmax(1) == labels).sum()
        count = torch.full_like(self.window[2], len(labels))
        sums = torch.stack([count * loss.detach().double(), right.double(), count])
        self.window += sums
        self.epoch_sums += sums

    def training_images(self) -> Iterator[Tensor]:
        """All of them, cropped and mirrored, in batches of the training's size."""
        places = torch.arange(len(self.data.train), device=self.data.labels.device)
        for chosen in torch.split(places, self.recipe.batch_size):
            yield self.batch(chosen, self.stream)[0]

    def training_step(self, places: Tensor, index: int) -> Tensor:
        if whole := self._whole_update:
            whole(places, self.stream, float(self.optimizer.param_groups[0]["lr"]))
            return whole.loss
        if self.shards > 1:
            return self._shared_step(places)
        images, labels = self.batch(places, self.stream)
        logits = self.logits(images)
        loss = self.loss(logits, labels)
        if self.due:
            parameters = list(self.model.parameters())
            self._negative = list(
                torch.autograd.grad(negative_loss(logits), parameters, retain_graph=True)
            )
        self.count(loss, logits, labels)
        return loss

    def _shared_step(self, places: Tensor) -> Tensor:
        """The loss whose gradient, averaged over the processes, is that of the batch's mean."""
        own = torch.tensor_split(places, self.shards)[self.shard]
        images, labels = self.batch(own, self.stream)
        with whole_batch(self._normalisations):
            logits = self.logits(images)
        loss = functional.cross_entropy(logits, labels, reduction="sum")
        if self.due:
            negative = torch.logsumexp(logits, 1).sum() / len(places)
            parameters = list(self.model.parameters())
            gradients = torch.autograd.grad(negative, parameters, retain_graph=True)
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
            torch.distributed.all_reduce(flat)
            parts = torch.split(flat, [p.numel() for p in parameters])
            self._negative = [part.view(p.shape) for part, p in zip(parts, parameters, strict=True)]
        right = (logits.detach().argmax(1) == labels).sum()
        sums = self.window.new_tensor([0.0, 0.0, len(own), self.stop_asked])
        sums[0], sums[1] = loss.detach(), right
        torch.distributed.all_reduce(sums)
        self._in_flight = Arriving(sums)
        self.window += sums[:3]
        self.epoch_sums += sums[:3]
        return loss * (self.shards / len(places))

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        if loss.requires_grad:  # else it is of an update that has been taken
            super().backward(loss, *args, **kwargs)

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Any,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Lightning's step, with what is seen around it; or a whole update in place of all."""
        rate, average = float(self.optimizer.param_groups[0]["lr"]), self.average
        observation, weights = None, []
        if self.due:
            observation = Observation(self.optimizer, self.start, before_backward=True)
            with torch.no_grad():
                weights = list(torch._foreach_mul(list(self.model.parameters()), 1.0))
        if whole := self._whole_update:
            assert optimizer_closure
            optimizer_closure()
            for parameter, gradient in whole.gradients.items():
                parameter.grad = gradient
            if self.due:
                self._negative = [whole.negative[p] for p in self.model.parameters()]
        else:
            self.growth.before_step()
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
            self.growth.after_step(rate, [p.grad for p in self.growth.parameters])
        self.position.batches += 1
        self.position.updates += 1
        if self._in_flight is not None:
            self.stopping = self._in_flight.read()[3] > 0
        self.row = {}
        if observation is not None:
            self._log_row(rate, observation.report().metrics(), weights)
        if self.recipe.sphere:
            project(self._invariant_weights)
        if average is not None:
            average.update()

    @property
    def _whole_update(self) -> WholeUpdate | None:
        """What takes the present update as a whole, where anything does."""
        left = len(self.data.train) - self.position.batches * self.recipe.batch_size
        return self._whole.get((min(left, self.recipe.batch_size), self.due))

    @property
    def due(self) -> bool:
        """Whether the present update has a row and a look inside."""
        return (self.position.updates + 1) % self.recipe.log_every == 0

    def _log_row(self, rate: float, inside: dict[str, float], weights: list[Tensor]) -> None:
        loss, right, images = self.window.tolist()
        self.window.zero_()
        assert self._negative is not None
        gradient = [p.grad for p in self.model.parameters() if p.grad is not None]
        positive, negative = cosines(weights, gradient, self._negative).tolist()
        self._negative = None
        self.diverged = not math.isfinite(loss)
        row = {
            "epoch": self.position.epoch,
            "updates": self.position.updates,
            "train/loss": loss / images,
            "train/accuracy": 100 * right / images,
            "learning_rate": rate,
            **effective_rates(rate, inside["optim/weight_norm"]),
            "optim/cos_weight_pos": positive,
            "optim/cos_weight_neg": negative,
            **inside,
            **({"diverged": True} if self.diverged else {}),
        }
        self.log_row(row)

    def end_epoch(self) -> dict[str, float]:
        """Move on to the next epoch, with weights scaled where they are to be; returns the figures
        of the one that ended."""
        loss, right, images = self.epoch_sums.tolist()
        self.epoch_sums.zero_()
        self.position.epoch += 1
        self.position.batches = 0
        self.diverged = not math.isfinite(loss)
        if self.reference and not self.diverged:
            named, layers = list(self.model.named_parameters()), self.recipe.match == "layers"
            self.reference.apply(named, self.position.epoch, layers=layers)
        return {
            "train/loss": loss / images,
            "train/accuracy": 100 * right / images,
            **self.growth.take(),
        }

    def weight_figures(self) -> dict[str, float]:
        """Norms of all weights, of the scale-invariant ones, of the rest and of each layer, and the
        distance from the initial weights."""
        found = squares(self.model)
        invariant = sum(value for name, value in found.items() if name in self.invariant)
        whole = sum(found.values())
        return {
            "weights/norm": math.sqrt(whole),
            "weights/norm_invariant": math.sqrt(invariant),
            "weights/norm_rest": math.sqrt(max(whole - invariant, 0.0)),
            "weights/distance": distance(self.model, self.start),
            **{f"weights/layer/{name}": math.sqrt(value) for name, value in found.items()},
        }
