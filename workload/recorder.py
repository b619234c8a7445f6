"""After each batch of one network's training: hand out rows and progress, save checkpoints, stop
when asked to; after each epoch: evaluate."""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Literal, TypeVar

from workload.checkpoint import Checkpoint
from workload.kept import keep
from workload.member import Outcome, RunLog
from workload.network_training import NetworkTraining
from workload.progress import MemberProgress, Pace, Progress
from workload.stopping import StoppedError

TRAINING = "training"


ModuleT = TypeVar("ModuleT", bound=NetworkTraining[Any])


class NetworkRecorder(Generic[ModuleT]):
    """Carries a module's rows and state to its run directory; a `Listener`.

    Args:
        module: the network in training.
        log: its run directory.
        checkpoint_every: updates between checkpoints within an epoch.
        keep_every: epochs between states that are kept; 0 keeps none.
        progress: called after every update.
        stop: asked after every update, and by `between`.

    Attributes:
        UNIT: what the workload calls an epoch, and the key of its number.
        SHOWN: figures of the display: keys of rows by name.
    """

    UNIT: ClassVar[str] = "epoch"
    SHOWN: ClassVar[Mapping[str, str]]

    def __init__(
        self,
        module: ModuleT,
        log: RunLog,
        checkpoint_every: int,
        keep_every: int,
        progress: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> None:
        self.module, self._log, self._checkpoint = module, log, Checkpoint(log)
        self._checkpoint_every, self._keep_every = checkpoint_every, keep_every
        self._progress, self._stop = progress, stop
        self._latest: dict[str, Any] = {}
        self._saved_updates = 0
        self._pace = Pace()

    @abstractmethod
    def capture(self) -> dict[str, Any]:
        """The state to go on from."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Put the module where `capture` found it."""

    @abstractmethod
    def begin_branch(self) -> None:
        """Forget what the state of another run holds of its own last epoch."""

    @abstractmethod
    def figures(self) -> dict[str, float]:
        """What the row of an epoch that has ended holds, but for what the module counted.

        Calls `between` from time to time where it takes more than a second.
        """

    def between(self) -> None:
        """Raise StoppedError where somebody asks to stop."""
        if self._stop():
            raise StoppedError

    def resume(self, *, beginning: Callable[[], dict[str, Any]] | None = None) -> None:
        """Put the module where its checkpoint stands, if there is one.

        Args:
            beginning: gives the state in which a run without a checkpoint begins.

        Raises:
            CheckpointError: it cannot be read; nothing has been changed.
            UserError: of `beginning`.
        """
        state = self._checkpoint.resume()
        if state:
            self.restore(state)
            self._latest = state["latest"]
        elif beginning:
            self.restore(beginning())
            self.begin_branch()
        self._saved_updates = self.module.position.updates

    def after_batch(self) -> bool:
        module = self.module
        position = module.position
        module.stop_asked = self._stop()
        # With several processes all must hear of it first, at the next update.
        stopping = module.stop_asked if module.shards == 1 else module.stopping
        if module.row:
            self._log.metrics(module.row)
            self._remember(module.row)
        due = position.updates - self._saved_updates >= self._checkpoint_every
        if module.diverged or ((stopping or due) and not module.epoch_ended):
            self._save()
        self._pace.measure(TRAINING, position.updates)
        self._report()
        return not (stopping or module.diverged)

    def after_epoch(self) -> bool:
        module = self.module
        if module.diverged or not module.epoch_ended:
            return False
        return not module.any_process(not self.end_epoch())

    def end_epoch(self) -> bool:
        """Close an epoch all of whose batches are done.

        Returns whether training goes on: the weights are finite, and nobody asked to stop before
        the epoch's figures were there; then the state that was saved is that of its last batch.
        """
        before = self.capture()
        try:
            self._close_epoch()
        except StoppedError:
            self.restore(before)
            self._save()
            return False
        return not self.module.diverged

    def _close_epoch(self) -> None:
        module = self.module
        row = module.end_epoch()
        if not module.diverged:
            row |= self.figures()
            module.diverged = not math.isfinite(row["weights/norm"])
        epoch = module.position.epoch
        position = {self.UNIT: epoch, "updates": module.position.updates}
        marks = {"diverged": True} if module.diverged else {}
        if module.diverged:
            self._log.metrics(position | {"train/loss": row["train/loss"]} | marks)
        self._log.evaluation(position | row | marks)
        self._remember(row | marks)
        if self._keep_every and epoch % self._keep_every == 0 and not module.diverged:
            keep(self._log.path, epoch, self.capture(), self.UNIT)
        self._save()
        self._pace.pause()

    def outcome(self) -> Outcome:
        """How the run ended."""
        figures = {key: v for key, v in self._latest.items() if isinstance(v, int | float)}
        if self.module.diverged:
            return Outcome("diverged", figures)
        return Outcome("finished" if self.module.finished else "interrupted", figures)

    def _remember(self, row: dict[str, Any]) -> None:
        self._latest |= {key: value for key, value in row.items() if "/layer/" not in key}

    def _save(self) -> None:
        position = self.module.position
        state = self.capture() | {"latest": self._latest}
        self._checkpoint.save(state, (position.epoch, position.batches, position.updates))
        self._saved_updates = position.updates

    def _report(self) -> None:
        module = self.module
        position = module.position
        seconds = self._pace.seconds_per_step(TRAINING)
        shown = {name: self._latest.get(key) for name, key in self.SHOWN.items()}
        left = module.epochs * module.updates_per_epoch - position.updates
        epoch = min(position.epoch + 1, module.epochs)
        status: Literal["running", "diverged"] = "diverged" if module.diverged else "running"
        self._progress(
            Progress(
                phase=f"{self.UNIT} {epoch}/{module.epochs} {TRAINING}",
                step=position.batches,
                steps=module.updates_per_epoch,
                steps_per_second=1 / seconds if seconds else 0.0,
                seconds_left=left * seconds if seconds else None,
                members=(MemberProgress(module.member.label, status, shown | self.rates(seconds)),),
                unit="updates",
            )
        )

    def rates(self, seconds: float | None) -> dict[str, float | None]:
        """Further figures of the display.

        Args:
            seconds: per update; None until there is a measurement.
        """
        return {}
