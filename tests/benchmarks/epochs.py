"""Times the epochs of a training, and what each is compared with, in turn."""

import time
from collections.abc import Callable
from typing import Any

import lightning

from tests.benchmarks.timing import seconds
from workload.network_module import NetworkModule


class Epochs(lightning.Callback):
    """Times epochs, and calls what is compared with each in between."""

    def __init__(
        self, module: NetworkModule[Any], before: Callable[[int], None], between: Any
    ) -> None:
        self.module, self.before, self.between = module, before, between
        self.ours: list[float] = []
        self.other: list[float] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        self.before(len(self.ours))
        self._begin = time.process_time()

    def on_train_batch_end(self, *_: Any) -> None:
        if self.module.epoch_ended:
            self.ours.append(time.process_time() - self._begin)

    def on_train_epoch_end(self, *_: Any) -> None:
        self.module.end_epoch()
        if self.between:
            self.other.append(seconds(self.between))
