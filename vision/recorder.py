"""After each batch: hand out rows and progress, save checkpoints, stop when asked to; after each
epoch: test."""

import math
from collections.abc import Callable
from typing import Any, Literal

import lightning

from vision.evaluation import evaluate
from vision.kept import keep
from vision.measures.look import sharpness_look
from vision.module import VisionModule
from vision.optimizer import budget_until
from vision.state import capture, restore
from workload.checkpoint import Checkpoint
from workload.member import Outcome, RunLog
from workload.progress import MemberProgress, Pace, Progress

TRAINING = "training"


class VisionRecorder(lightning.Callback):
    """Carries a module's rows and state to its run directory.

    Args:
        module: the network in training.
        log: its run directory.
        checkpoint_every: updates between checkpoints within an epoch.
        keep_every: epochs between states that are kept; 0 keeps none.
        progress: called after every update.
        stop: asked after every update.
    """

    def __init__(
        self,
        module: VisionModule,
        log: RunLog,
        checkpoint_every: int,
        keep_every: int,
        progress: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> None:
        self._module, self._log, self._checkpoint = module, log, Checkpoint(log)
        self._checkpoint_every, self._keep_every = checkpoint_every, keep_every
        self._progress, self._stop = progress, stop
        self._latest: dict[str, Any] = {}
        self._saved_updates = 0
        self._pace = Pace()

    def resume(
        self, *, previous: bool, beginning: Callable[[], dict[str, Any]] | None = None
    ) -> None:
        """Put the module where its checkpoint stands, if there is one.

        Args:
            previous: take the one before the newest.
            beginning: gives the state in which a run without a checkpoint begins.

        Raises:
            CheckpointError: it cannot be read; nothing has been changed.
            UserError: of `beginning`.
        """
        state = self._checkpoint.resume(previous=previous)
        if state:
            restore(self._module, state)
            self._latest = state["latest"]
        elif beginning:
            restore(self._module, beginning())
            self._module.window.zero_()  # batches of the other run
        self._saved_updates = self._module.position.updates

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        module = self._module
        position = module.position
        stopping = self._stop()
        if module.row:
            self._log.metrics(module.row)
            self._latest |= {k: v for k, v in module.row.items() if "/layer/" not in k}
        due = position.updates - self._saved_updates >= self._checkpoint_every
        if module.diverged or ((stopping or due) and not module.epoch_ended):
            self._save()
        self._pace.measure(TRAINING, position.updates)
        self._report(position.batches, module.updates_per_epoch)
        trainer.should_stop = stopping or module.diverged

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        module = self._module
        if module.diverged or not module.epoch_ended:  # Lightning also calls this after a stop
            return
        row = module.end_epoch()
        if not module.diverged:
            row["decay_budget"] = budget_until(
                module.recipe, module.member, module.updates_per_epoch, module.position.epoch
            )
            row |= self._figures()
            module.diverged = not math.isfinite(row["weights/norm"])
        position = {"epoch": module.position.epoch, "updates": module.position.updates}
        marks = {"diverged": True} if module.diverged else {}
        if module.diverged:
            trainer.should_stop = True
            self._log.metrics(position | {"train/loss": row["train/loss"]} | marks)
        self._log.evaluation(position | row | marks)
        self._latest |= {k: v for k, v in row.items() if "/layer/" not in k} | marks
        epoch = module.position.epoch
        if self._keep_every and epoch % self._keep_every == 0 and not module.diverged:
            keep(self._log.path, epoch, capture(module))
        self._save()
        self._pace.pause()

    def outcome(self) -> Outcome:
        """How the run ended."""
        figures = {key: v for key, v in self._latest.items() if isinstance(v, int | float)}
        if self._module.diverged:
            return Outcome("diverged", figures)
        return Outcome("finished" if self._module.finished else "interrupted", figures)

    def _figures(self) -> dict[str, float]:
        """Weights; where they are due scores, those of the mean of the weights, and sharpness."""
        module = self._module
        figures = module.weight_figures()
        if module.finished or module.position.epoch % module.recipe.evaluate_every == 0:
            figures |= self._scores()
            if module.average is not None:
                with module.average.in_place(module.training_images()):
                    averaged = self._scores()
                figures |= {f"{key}_averaged": value for key, value in averaged.items()}
        every = module.recipe.sharpness_every
        if every and (module.finished or module.position.epoch % every == 0):
            figures |= sharpness_look(module.model, module.data.labelled)
        return figures

    def _scores(self) -> dict[str, float]:
        """Loss and accuracy on images as they are, at the end of those that were trained on too."""
        module, data = self._module, self._module.data
        loss, accuracy = evaluate(module.model, data.test, data.test.labels)
        scores = {"test/loss": loss, "test/accuracy": accuracy}
        if module.finished:
            loss, accuracy = evaluate(module.model, data.train, data.labels)
            scores |= {"fit/loss": loss, "fit/accuracy": accuracy}
        return scores

    def _save(self) -> None:
        position = self._module.position
        state = capture(self._module) | {"latest": self._latest}
        self._checkpoint.save(state, (position.epoch, position.batches, position.updates))
        self._saved_updates = position.updates

    def _report(self, step: int, steps: int) -> None:
        module = self._module
        recipe, position = module.recipe, module.position
        keys = {"loss": "train/loss", "train %": "train/accuracy", "test %": "test/accuracy"}
        figures = {name: self._latest.get(key) for name, key in keys.items()}
        seconds = self._pace.seconds_per_step(TRAINING)
        left = recipe.epochs * module.updates_per_epoch - position.updates
        epoch = min(position.epoch + 1, recipe.epochs)
        status: Literal["running", "diverged"] = "diverged" if module.diverged else "running"
        self._progress(
            Progress(
                phase=f"epoch {epoch}/{recipe.epochs} {TRAINING}",
                step=step,
                steps=steps,
                steps_per_second=1 / seconds if seconds else 0.0,
                seconds_left=left * seconds if seconds else None,
                members=(MemberProgress(module.member.label, status, figures),),
                unit="updates",
            )
        )
