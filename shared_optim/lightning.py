"""The inside of anybody's optimizer in Lightning's loggers."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from shared_optim.measures.observe import Observation, Start
from shared_optim.measures.signal import check_known


class OptimizerMonitor(Callback):
    """Measures every n-th step of a LightningModule's optimizers, and logs what it finds.

    It watches the optimizers' own `step`, so it does not matter who calls it: automatic or manual
    optimization, with accumulated and clipped gradients, in mixed precision. Rows go to all loggers
    of the Trainer, with the keys of `StepReport.metrics`; of several optimizers, or members, behind
    `optimizer0/`, `member0/` and so on:

        trainer = Trainer(callbacks=[OptimizerMonitor(every=100)])

    Args:
        every: measure steps 1, 1 + every, ... of each optimizer.
        layers: whether to log each layer's figures beside the network's.
        distance: whether to measure the distance from the weights at the start of training, which
            costs one copy of the parameters. After a checkpoint is loaded that is where training
            goes on.

    Raises:
        ValueError: `every` is below 1.
        TypeError: at the start of training, for an optimizer whose moments are not known.
    """

    def __init__(self, every: int = 100, *, layers: bool = False, distance: bool = False) -> None:
        if every < 1:
            raise ValueError(f"every: {every} is not a number of steps from 1 on")
        self.every, self.layers, self.distance = every, layers, distance
        self._handles: list[RemovableHandle] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for index, optimizer in enumerate(trainer.optimizers):
            check_known(optimizer)
            prefix = f"optimizer{index}/" if len(trainer.optimizers) > 1 else ""
            self._watch(trainer, optimizer, prefix)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        while self._handles:
            self._handles.pop().remove()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self.on_train_end(trainer, pl_module)

    def _watch(self, trainer: Trainer, optimizer: Optimizer, prefix: str) -> None:
        start = Start(optimizer) if self.distance else None
        steps = 0
        observation: Observation | None = None

        def before(*_: Any) -> None:
            nonlocal steps, observation
            if steps % self.every == 0:
                # a closure may be about to compute the gradients
                observation = Observation(optimizer, start, before_backward=True)
            steps += 1

        def after(*_: Any) -> None:
            nonlocal observation
            made, observation = observation, None
            parameters = (p for group in optimizer.param_groups for p in group["params"])
            if made is not None and any(p.grad is not None for p in parameters):
                report = made.report()
                self._log(trainer, report.metrics, len(report.counts), prefix)

        self._handles.append(optimizer.register_step_pre_hook(before))
        self._handles.append(optimizer.register_step_post_hook(after))

    def _log(self, trainer: Trainer, metrics: Any, members: int, prefix: str) -> None:
        row: dict[str, float] = {}
        for member in range(members):
            inner = f"{prefix}member{member}/" if members > 1 else prefix
            row |= {
                inner + key: value
                for key, value in metrics(member).items()
                if self.layers or "/layer/" not in key
            }
        for logger in trainer.loggers:
            logger.log_metrics(row, step=trainer.global_step)
