"""Times the epochs of a training, and what each is compared with, in turn."""

import time
from collections.abc import Callable
from typing import Any

from tests.benchmarks.timing import seconds
from workload.network_training import NetworkTraining


class Epochs:
    """Times epochs, and calls what is compared with each in between; a `Listener`."""

    def __init__(
        self, module: NetworkTraining[Any], before: Callable[[int], None], between: Any
    ) -> None:
        self.module, self.before, self.between = module, before, between
        self.ours: list[float] = []
        self.other: list[float] = []

    def begin(self) -> None:
        """Before the first batch of an epoch."""
        self.before(len(self.ours))
        self._begin = time.process_time()

    def after_batch(self) -> bool:
        if self.module.epoch_ended:
            self.ours.append(time.process_time() - self._begin)
        return True

    def after_epoch(self) -> bool:
        self.module.end_epoch()
        if self.between:
            self.other.append(seconds(self.between))
        self.begin()
        return True
