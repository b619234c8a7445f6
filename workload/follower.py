"""What the processes but the first do after each batch and epoch of a shared training."""

from typing import Any, Protocol


class SharedTraining(Protocol):
    """A module of which several processes have a copy each."""

    diverged: bool
    stopping: bool

    @property
    def epoch_ended(self) -> bool: ...

    def end_epoch(self) -> Any: ...

    def any_process(self, wish: bool) -> bool: ...


class Follower:
    """Keeps a process that writes nothing in step with the one that does; a `Listener`."""

    def __init__(self, module: SharedTraining) -> None:
        self._module = module

    def after_batch(self) -> bool:
        return not (self._module.stopping or self._module.diverged)

    def after_epoch(self) -> bool:
        if self._module.diverged or not self._module.epoch_ended:
            return False
        self._module.end_epoch()
        return not self._module.any_process(False)
