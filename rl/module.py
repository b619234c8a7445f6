"""The population as a LightningModule: an epoch is an iteration, a batch is a chunk of ticks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning
from torch import nn

from rl.module_checkpoint import ModuleCheckpoint
from rl.population import CHUNK, Population
from rl.position import TRAINING, MemberRow
from shared_optim import WeightDecayAdam
from workload.errors import ConfigError


class Chunks:
    """The batches of an epoch: tick counts, and behind the iteration's end one that is left empty,
    which Lightning has fetched before it knows of the end."""

    def __init__(self, module: "DQNModule") -> None:
        self._module = module

    def __iter__(self) -> Iterator[int]:
        yield CHUNK
        while not self._module.iteration_over:
            yield CHUNK


class DQNModule(lightning.LightningModule):
    """K DQN agents for anybody's Trainer: `Trainer(max_epochs=iterations).fit(module)`.

    An epoch of the Trainer is an iteration: a training and an evaluation phase.
    `trainer.global_step` counts updates, each of all agents that learn. Behind a batch of a
    training phase it is a multiple of CHUNK / update_every, 50 in the paper's recipe, unless the
    phase has ended: `ModelCheckpoint(every_n_train_steps=...)` takes multiples of that.

    The rows that became due in the last chunk are in `rows`. The Trainer's loggers get them as
    `<scheme>-<lambda>/seed<n>/<name>` at the agent's steps, its callbacks all of them but the
    layers: `EarlyStopping("none/seed0/eval/return", mode="max")`.

    The Trainer's checkpoints hold everything but the replay, which lies in files beside them;
    `fit(module, ckpt_path=...)` with a fresh population goes on from there, on a CPU to the same
    bits. Only the newest two that were saved are sure to find their replay. `load_state_dict` takes
    the networks alone.

    Args:
        population: of whom the Trainer's device is that of the population, in a single process.
        replay_folder: where checkpoints keep the replay; by default `replay` in the folder of the
            Trainer's ModelCheckpoint, or else in its `default_root_dir`.
    """

    def __init__(self, population: Population, replay_folder: Path | str | None = None) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.population = population
        self.rows: list[MemberRow] = []
        self._iteration = population.position.iteration
        self._checkpoint = ModuleCheckpoint(population, replay_folder)
        self._within_chunk = False
        # module names must not hold dots
        named = [
            (f"block{b}_{name.replace('.', '_')}", block, name)
            for b, block in enumerate(population.blocks)
            for name in block.parameters
        ]
        self.weights = nn.ParameterDict({key: block.parameters[name] for key, block, name in named})
        self.target = nn.Module()
        for key, block, name in named:
            self.target.register_buffer(key, block.target.values[name])
        self.register_load_state_dict_post_hook(_act_as_loaded)  # type: ignore[no-untyped-call]

    @property
    def iteration_over(self) -> bool:
        """Whether what the present epoch stands for has ended."""
        return self.population.finished or self.population.position.iteration != self._iteration

    def setup(self, stage: str) -> None:
        """Refuse a Trainer that would move or round what the population works with."""
        trainer, device = self.trainer, self.population.device.type
        given = trainer.strategy.root_device.type
        if trainer.world_size > 1 or given != device:
            accelerator = "gpu" if device == "cuda" else "cpu"
            raise ConfigError(
                f"Trainer: {trainer.world_size} process(es) on {given}, but the population is in "
                f"one on {device}; "
                f'choose Trainer(accelerator="{accelerator}", devices=1)'
            )
        if trainer.precision != "32-true":
            raise ConfigError(
                f"Trainer: precision {trainer.precision}, but that of agents is their recipe's; "
                "leave it at 32-true"
            )

    def train_dataloader(self) -> Chunks:
        return Chunks(self)

    def configure_optimizers(self) -> list[WeightDecayAdam]:
        return [block.optimizer for block in self.population.blocks]

    def training_step(self, ticks: int, index: int) -> None:
        self.rows = []
        if self.iteration_over:
            self._iteration = self.population.position.iteration
        else:
            before = self._updates
            self._within_chunk = True
            self.rows = self.population.run(self._until_even(ticks))
            self._within_chunk = False
            self._count(self._updates - before)
            for row in self.rows:
                self._log(row)
        if self.population.finished:
            self.trainer.should_stop = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self._within_chunk:
            raise ConfigError(
                "checkpoint: training broke off inside a chunk of steps, where agents cannot be "
                "saved; go on from the checkpoint before"
            )
        self._checkpoint.save(checkpoint, self.trainer, self._iteration)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._iteration = self._checkpoint.load(checkpoint, self._trainer)

    @property
    def _updates(self) -> int:
        return int(self.population.updates.max())

    def _until_even(self, ticks: int) -> int:
        """At most `ticks`, so many that `global_step` does not pass `max_steps` or the next
        multiple of a chunk's updates."""
        position, every = self.population.position, self.population.recipe.update_every
        if position.phase != TRAINING:
            return ticks
        chunk = max(ticks // every, 1)
        left = chunk - self._updates % chunk
        if self.trainer.max_steps >= 0:
            left = min(left, self.trainer.max_steps - self.trainer.global_step)
        return min((position.tick // every + left) * every - position.tick, ticks)

    def _count(self, updates: int) -> None:
        # optimizers step inside the population, not through Lightning's wrappers, which count
        progress = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        progress.total.ready += updates
        progress.total.completed += updates

    def _log(self, row: MemberRow) -> None:
        if row.log == "episode":
            return
        member = self.population.members[row.member]
        figures = {
            f"{member.label}/{key}": float(value)
            for key, value in row.values.items()
            if isinstance(value, int | float)
        }
        for logger in self.loggers:
            logger.log_metrics(figures, row.values["agent_steps"])
        # Lightning goes through all that it was told after every chunk
        whole = {key: value for key, value in figures.items() if "/layer/" not in key}
        self.log_dict(whole, batch_size=1, logger=False)


def _act_as_loaded(module: nn.Module, _: Any) -> None:
    """The copies of the weights that choose actions follow what was loaded."""
    assert isinstance(module, DQNModule)
    for block in module.population.blocks:
        block.online.refresh(block.parameters)
