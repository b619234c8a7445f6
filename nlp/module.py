"""The translation model as a LightningModule: a batch is fairseq's, an update may span several."""

import contextlib
import functools
import math
import warnings
from typing import Any

import lightning
import torch
import torch.distributed
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from nlp import weights
from nlp.batches import Batch, TrainingBatches
from nlp.config import Recipe, learning_rate
from nlp.data.corpus import Corpus
from nlp.fairseq_model import build_model, build_task, load_split
from nlp.graphs import GraphPool
from nlp.loss import BITS, TokenLoss, batch_loss
from nlp.position import Position
from nlp.programs import Programs
from nlp.proof import difference
from nlp.shapes import Shapes
from nlp.transformer import Transformer
from shared_optim import WeightDecayAdam, decay_groups, observe_step
from workload.arriving import Arriving
from workload.build_optimizer import build_optimizer, scheduled
from workload.distributed import any_process
from workload.errors import ConfigError
from workload.member import Member
from workload.recipe import GraphMode


class TranslationModule(lightning.LightningModule):
    """One model for anybody's Trainer: `Trainer(max_epochs=recipe.epochs).fit(module)`.

    Optimization is manual, because the gradient of an update is divided by its number of target
    tokens, which is known when its last batch has been seen. Its precision is the recipe's: the
    Trainer's stays `32-true`. The row that became due in the last batch is `row`; the Trainer's
    loggers get it as well, its callbacks all of it but the layers.

    Args:
        recipe: the recipe.
        member: scheme, lambda and seed.
        corpus: the prepared corpus.
        shard, shards: which of how many processes this is.

    Raises:
        ConfigError: a pair that no batch can hold, or weights to begin with that do not fit.
    """

    def __init__(
        self,
        recipe: Recipe,
        member: Member,
        corpus: Corpus,
        *,
        shard: int = 0,
        shards: int = 1,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.recipe, self.member, self.corpus = recipe, member, corpus
        self.shard, self.shards = shard, shards
        corpus.check_batches(recipe.max_tokens)
        self.task = build_task(recipe, corpus)
        for split in ("train", "valid", "test"):
            load_split(self.task, split)
        torch.manual_seed(member.seed)
        self.model: nn.Module = build_model(recipe, self.task)
        if recipe.init_from:
            self.model.load_state_dict(weights.starting_weights(recipe, corpus))
        dtype = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
        self._transformer = Transformer(self.model, dtype)
        self._trained = list(self.model.parameters())
        self.batches = TrainingBatches(self.task, recipe.max_tokens, member.seed, shard, shards)
        self.position = Position()
        self.row: dict[str, Any] = {}
        # loss, nll and target tokens: since the last row, of this epoch; on the CPU
        self.window, self.epoch_sums = torch.zeros(2, 3, dtype=torch.float64)
        # of this update: loss, nll, target tokens and whether to stop, where the model is
        self._sums = torch.zeros(4, dtype=torch.float64)
        self._tokens = 0  # here, for which no device need be asked
        self._in_flight: Arriving | None = None
        self.diverged = False
        self.stop_asked = False  # by this process
        self.stopping = False  # by any process
        self.programs: Programs | None = None

    @property
    def updates_per_epoch(self) -> int:
        return math.ceil(self.batches.per_epoch / self.share)

    @property
    def epoch_ended(self) -> bool:
        """Whether all batches of the present epoch are done."""
        return self.position.batches >= self.batches.per_epoch

    @property
    def within_update(self) -> bool:
        """Whether some batches of an update are done and some are not."""
        return self.position.batches % self.share != 0 and not self.epoch_ended

    @property
    def share(self) -> int:
        """Batches per update of this process."""
        return self.recipe.accumulate // self.shards

    @property
    def finished(self) -> bool:
        return self.position.epoch >= self.recipe.epochs

    @functools.cached_property
    def scheduler(self) -> LambdaLR:
        """Of the learning rate, from the present update on, and with it the optimizer: the model
        must be on its device, and a checkpoint's place restored, when it is first asked for."""
        optimizer = make_optimizer(self.model, self.recipe, self.member, self.updates_per_epoch)
        return scheduled(optimizer, learning_rate(self.recipe), self.position.updates)

    @property
    def optimizer(self) -> WeightDecayAdam:
        """The optimizer of the model's parameters."""
        optimizer = self.scheduler.optimizer
        assert isinstance(optimizer, WeightDecayAdam)
        return optimizer

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return {"optimizer": self.optimizer, "lr_scheduler": self.scheduler}

    def train_dataloader(self) -> TrainingBatches:
        self.batches.seek(self.position.epoch, self.position.batches)
        return self.batches

    def on_train_epoch_start(self) -> None:
        self.model.train()

    def use_graphs(self, mode: GraphMode) -> None:
        """Train by captured graphs from here on, where that is equal.

        Call it in `on_train_start`: graphs from before a Trainer's start write into memory that it
        frees.

        Args:
            mode: `auto` where there is a GPU and the graphs have proved equal to the plain path,
                with a warning where they have not; `on` insists; `off` never.

        Raises:
            ConfigError: with `on`, where that cannot be.
        """
        self.check_graphs(mode)
        if mode == "off" or self._no_graphs():
            return
        self.model.train()
        sizes = self.batches.shapes()
        shapes = Shapes(sizes)
        whole = self.recipe.accumulate == 1 and not self.recipe.clip_norm
        programs = Programs(
            self._transformer,
            self.optimizer,
            shapes,
            self.task,
            self.recipe.label_smoothing,
            whole=whole,
            graphs=GraphPool(self.device),
        )
        of_each = [shapes.of(each) for each in sizes]
        frequent = max(shapes.all, key=of_each.count)
        numbers = [number for number, shape in enumerate(of_each) if shape == frequent]
        batches = [self.batches.at(number) for number in (numbers[0], numbers[-1])]
        dtype, plain = self._transformer.dtype, self._plain_gradients
        differs = difference(programs, self.model, self.optimizer, batches, plain, dtype)
        if differs is None:
            self.programs = programs
            return
        if mode == "on":
            raise ConfigError(f"graphs: on, but {differs}; choose auto or off")
        warnings.warn(
            f"training goes on without CUDA graphs, several times slower: {differs}",
            RuntimeWarning,
            stacklevel=2,
        )

    def check_graphs(self, mode: GraphMode) -> None:
        """Raise ConfigError where graphs are insisted on and there can be none."""
        if mode == "on" and (reason := self._no_graphs()):
            raise ConfigError(f"graphs: on, but {reason}; choose auto or off")

    def _no_graphs(self) -> str:
        """Why there can be none, or nothing."""
        if self.device.type != "cuda":
            return f"there are none on {self.device.type}"
        return "" if self.shards == 1 else f"there are none with {self.shards} devices"

    def _plain_gradients(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        moved = super().transfer_batch_to_device(batch, self.device, 0)
        loss = self._batch_loss(moved).loss
        gradients = torch.autograd.grad(loss, self._trained)
        self._transformer.forget()
        return loss, list(gradients)

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """As Lightning does it; programs lay their batches out on the host."""
        if self.programs:
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def training_step(self, batch: Batch, index: int) -> None:
        first = self.position.batches % self.share == 0
        last = (self.position.batches + 1) % self.share == 0
        last = last or self.position.batches + 1 == self.batches.per_epoch
        # a resumed run needs no generator's state
        number = self.position.batches % self.share * self.shards + self.shard
        torch.manual_seed(dropout_seed(self.member.seed, self.position.updates, number))
        if first:
            self._tokens = 0
        self.row = {}
        if self.programs:
            self._run(self.programs, batch, first, last)
            return
        if first:
            self._sums = self._sums.new_zeros(4, device=self.device)
        loss = self._loss(batch)
        with contextlib.nullcontext() if last else self._no_sync():
            self.manual_backward(loss)
        self.position.batches += 1
        if last:
            self._update()

    def _run(self, programs: Programs, batch: Batch, first: bool, last: bool) -> None:
        """A batch by its program, and the update if it is the last."""
        if first:
            programs.begin()
        self._sums = programs.sums
        self._tokens += batch["ntokens"]
        self.position.batches += 1
        if programs.whole and not self._due:
            programs.take(batch)
            self._arriving = Arriving(self._sums)
            self._updated(None)
            return
        if programs.whole:
            programs.take_gradients(batch)
        else:
            programs.take(batch)
        if last:
            self._arriving = Arriving(self._sums)
            self._update()

    def _loss(self, batch: Batch) -> Tensor:
        """The summed loss. In place of an empty batch stands another, which counts nothing."""
        if not batch:
            another = self.transfer_batch_to_device(self.batches.first(), self.device, 0)
            nothing: Tensor = self._batch_loss(another).loss * 0.0
            return nothing
        sums = self._batch_loss(batch)
        self._sums[:2] += torch.stack([sums.loss.detach(), sums.nll])
        self._sums[2] += sums.tokens
        self._tokens += sums.tokens
        self._arriving = Arriving(self._sums)
        return sums.loss

    def _batch_loss(self, batch: Batch) -> TokenLoss:
        padding = self.task.target_dictionary.pad()
        return batch_loss(self._transformer, batch, self.recipe.label_smoothing, padding)

    def _no_sync(self) -> contextlib.AbstractContextManager[Any]:
        if self.shards == 1:
            return contextlib.nullcontext()
        block: Any = self.trainer.strategy.block_backward_sync  # type: ignore[attr-defined]
        context: contextlib.AbstractContextManager[Any] = block()
        return context

    def _update(self) -> None:
        gradients = [p.grad for p in self._trained if p.grad is not None]
        if self.shards == 1:
            torch._foreach_mul_(gradients, 1 / self._tokens)
        else:
            self._sums[3] = self.stop_asked
            torch.distributed.all_reduce(self._sums)
            self._arriving = Arriving(self._sums)
            # DDP has averaged over the processes
            torch._foreach_mul_(gradients, (self.shards / self._sums[2]).float())
        if self.recipe.clip_norm:
            nn.utils.clip_grad_norm_(self._trained, self.recipe.clip_norm)
        figures = observe_step(self.optimizer).metrics() if self._due else None
        if figures is None:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._updated(figures)

    @property
    def _due(self) -> bool:
        """Whether the present update has a row and a look inside."""
        return (self.position.updates + 1) % self.recipe.log_every == 0

    def _updated(self, figures: dict[str, float] | None) -> None:
        """Count the update. With programs one may stay in flight, so that a GPU always has the
        next one before it has finished: its loss is then seen an update later."""
        self.position.updates += 1
        self.scheduler.step()
        self._count()
        self._in_flight = self._arriving
        if self.programs is None or figures is not None or self.epoch_ended:
            self._count()
        if figures is not None or self.diverged:
            self._log_row(figures or {})

    def settle(self) -> None:
        """Count the update that is in flight, if one is. If it has diverged, `row` says so."""
        was = self.diverged
        self._count()
        if self.diverged and not was:
            self._log_row({})

    def _count(self) -> None:
        if self._in_flight is None:
            return
        *sums, asked = self._in_flight.read()
        self._in_flight = None
        self.window += torch.tensor(sums, dtype=torch.float64)
        self.epoch_sums += torch.tensor(sums, dtype=torch.float64)
        self.stopping = self.stop_asked or asked > 0
        if not math.isfinite(sums[0]):
            self.diverged = True

    def _log_row(self, figures: dict[str, float]) -> None:
        loss, nll, tokens = self.window.tolist()
        self.window.zero_()
        self.row = {
            "epoch": self.position.epoch,
            "updates": self.position.updates,
            "train/loss": BITS * loss / tokens,
            "train/nll": BITS * nll / tokens,
            "learning_rate": learning_rate(self.recipe)(self.position.updates - 1),
            **figures,
            **({"diverged": True} if self.diverged else {}),
        }
        logged = {key: float(value) for key, value in self.row.items()}
        for logger in self.loggers:
            logger.log_metrics(logged, self.position.updates)
        # after every batch Lightning goes through all that it was told: a thousand figures of
        # layers would cost more than a small model's update
        whole = {key: value for key, value in logged.items() if "/layer/" not in key}
        self.log_dict(whole, batch_size=1, logger=False)

    def any_process(self, wish: bool) -> bool:
        """Whether any process has this wish. All of them have to ask."""
        return wish if self.shards == 1 else any_process(wish, self.device)

    def end_epoch(self) -> dict[str, float]:
        """Move on to the next epoch; returns the figures of the one that ended."""
        loss, nll, tokens = self.epoch_sums.tolist()
        self.epoch_sums.zero_()
        self.position = Position(self.position.epoch + 1, 0, self.position.updates)
        return {"train/loss": BITS * loss / tokens, "train/nll": BITS * nll / tokens}


def dropout_seed(seed: int, update: int, number: int) -> int:
    """Of batch `number`, from 0, of an update, whichever process has it.

    That of an update's first batch is fairseq's, seed + update. fairseq goes on from there with the
    next batch, and seeds all processes alike; here each batch has masks of its own. The golden
    ratio keeps them apart: of a CPU's generator only the seed's last 32 bits count.
    """
    return (seed + update + number * round(2**32 / 1.6180339887498949)) % 2**63


def make_optimizer(
    model: nn.Module, recipe: Recipe, member: Member, updates_per_epoch: int
) -> WeightDecayAdam:
    """The shared optimizer with the member's scheme over all named parameters of the model."""
    parameters = list(model.named_parameters()) if recipe.decay_biases else decay_groups(model)
    return build_optimizer(recipe, member, parameters, updates_per_epoch=updates_per_epoch)
