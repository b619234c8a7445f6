"""The population as a LightningModule: an epoch is an iteration, a batch is a chunk of ticks."""

from collections.abc import Iterator

import lightning
from torch import nn

from rl.population import Population
from rl.position import MemberRow
from shared_optim import WeightDecayAdam

CHUNK = 200
"""Ticks per training_step. The Trainer costs 0.1-1.6 ms per call: under 1 % of 200 ticks."""


class Chunks:
    """The batches of one epoch: tick counts, for as long as the iteration lasts."""

    def __init__(self, population: Population) -> None:
        self._population = population

    def __iter__(self) -> Iterator[int]:
        iteration = self._population.position.iteration
        while self._population.position.iteration == iteration and not self._population.finished:
            yield CHUNK


class DQNModule(lightning.LightningModule):
    """K DQN agents for anybody's Trainer: `Trainer(max_epochs=iterations).fit(module)`.

    Updates happen inside the chunk, so optimization is manual and `global_step` stays behind:
    count `population.steps`. The rows that became due in the last chunk are in `rows`; the
    Trainer's loggers get them as `<scheme>-<lambda>/seed<n>/<name>`, its callbacks all of them but
    the layers.
    """

    def __init__(self, population: Population) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.population = population
        self.rows: list[MemberRow] = []
        # module names must not hold dots
        self.weights = nn.ParameterDict(
            {
                f"block{b}_{name.replace('.', '_')}": parameter
                for b, block in enumerate(population.blocks)
                for name, parameter in block.parameters.items()
            }
        )

    def train_dataloader(self) -> Chunks:
        return Chunks(self.population)

    def configure_optimizers(self) -> list[WeightDecayAdam]:
        return [block.optimizer for block in self.population.blocks]

    def training_step(self, ticks: int, index: int) -> None:
        self.rows = self.population.run(ticks)
        for row in self.rows:
            self._log(row)

    def _log(self, row: MemberRow) -> None:
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
