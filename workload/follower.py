"""What the processes but the first do after each batch and epoch of a shared training."""

from typing import Any, Protocol

import lightning


class SharedTraining(Protocol):
    """A module of which several processes have a copy each."""

    diverged: bool
    stopping: bool

    @property
    def epoch_ended(self) -> bool: ...

    def end_epoch(self) -> Any: ...

    def any_process(self, wish: bool) -> bool: ...


class Follower(lightning.Callback):
    """Keeps a process that writes nothing in step with the one that does."""

    def __init__(self, module: SharedTraining) -> None:
        self._module = module

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        trainer.should_stop = self._module.stopping or self._module.diverged

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if self._module.epoch_ended and not self._module.diverged:
            self._module.end_epoch()
            if self._module.any_process(False):
                trainer.should_stop = True
