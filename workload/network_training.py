"""The training of one network: what all of them share, whoever takes its updates."""

import functools
from abc import abstractmethod
from typing import Any, Generic, TypeVar

from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from shared_optim.learning_rates import LearningRate
from shared_optim.measures.observe import Start
from workload.averaging import WeightAverage
from workload.build_optimizer import AnyOptimizer, scheduled
from workload.distributed import any_process
from workload.laid_aside import laid_aside
from workload.member import Member
from workload.network_recipe import NetworkRecipe
from workload.position import Position

RecipeT = TypeVar("RecipeT", bound=NetworkRecipe)


class NetworkTraining(Generic[RecipeT]):
    """One network with its optimizer, learning rate and place in the training.

    The row that became due in the last batch is `row`. Whoever takes the updates calls `end_epoch`
    after the last of each epoch.

    Args:
        recipe: the recipe.
        member: scheme, lambda and seed.
        model: as the seed gives it.
        position: where training stands; its data have it too.
        shard, shards: which of how many processes this is.

    Attributes:
        stop_asked: whether this process is to stop.
        stopping: with several processes, whether any was to before the present update.
    """

    def __init__(
        self,
        recipe: RecipeT,
        member: Member,
        model: nn.Module,
        position: Position,
        *,
        shard: int = 0,
        shards: int = 1,
    ) -> None:
        self.shard, self.shards = shard, shards
        self.stop_asked = self.stopping = False
        self.recipe, self.member, self.model = recipe, member, model
        self.position = position
        self.diverged = False
        self.row: dict[str, Any] = {}
        self._initial = laid_aside(dict(model.named_parameters()))

    @property
    @abstractmethod
    def updates_per_epoch(self) -> int:
        """Batches."""

    @property
    @abstractmethod
    def epochs(self) -> int:
        """Of the whole training."""

    @abstractmethod
    def make_optimizer(self) -> AnyOptimizer:
        """Of the model's parameters, each of them named."""

    @property
    @abstractmethod
    def learning_rates(self) -> LearningRate:
        """alpha as a function of the updates done before."""

    @abstractmethod
    def end_epoch(self) -> dict[str, float]:
        """Move on to the next epoch; returns the figures of the one that ended."""

    @property
    def epoch_ended(self) -> bool:
        """Whether all batches of the present epoch are done."""
        return self.position.batches >= self.updates_per_epoch

    @property
    def finished(self) -> bool:
        """Whether all epochs are."""
        return self.position.epoch >= self.epochs

    def any_process(self, wish: bool) -> bool:
        """Whether any process has this wish. All of them have to ask."""
        return wish if self.shards == 1 else any_process(wish, next(self.model.parameters()).device)

    @functools.cached_property
    def scheduler(self) -> LambdaLR:
        """Of the learning rate, from the present update on, and with it the optimizer: the model
        must be on its device, and a checkpoint's place restored, when it is first asked for."""
        return scheduled(self.make_optimizer(), self.learning_rates, self.position.updates)

    @property
    def optimizer(self) -> AnyOptimizer:
        """The optimizer of the model's parameters."""
        optimizer: Any = self.scheduler.optimizer
        return optimizer  # type: ignore[no-any-return]

    @functools.cached_property
    def start(self) -> Start:
        """The weights that the seed gives, from which `distance` is measured."""
        initial, self._initial = self._initial, {}
        return Start(self.optimizer, {p: initial[n] for n, p in self.model.named_parameters()})

    @functools.cached_property
    def average(self) -> WeightAverage | None:
        """The mean of the weights that the recipe asks for, from the weights on that the network
        has when it is first asked for."""
        decay = self.recipe.average_weights
        return WeightAverage(self.model, decay) if decay else None

    def log_row(self, row: dict[str, Any]) -> None:
        """Make it the row that is due."""
        self.row = row
