"""After each batch: hand out rows and progress, save checkpoints, stop when asked to; after each
epoch: validation."""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nlp import weights
from nlp.evaluation import (
    detokenised_bleu,
    losses,
    other_scores,
    tokenised_bleu,
    translate_split,
    write_texts,
)
from nlp.module import TranslationModule
from nlp.state import capture, restore
from nlp.stopping import StoppedError
from nlp.weights_mended import mend_weights
from workload.checkpoint import Checkpoint
from workload.member import Outcome, RunLog
from workload.progress import MemberProgress, Pace, Progress

TRAINING = "training"


class TranslationRecorder:
    """Carries a module's rows and state to its run directory; a `Listener`.

    Args:
        module: the model in training.
        log: its run directory.
        checkpoint_every: updates between checkpoints within an epoch.
        progress: called after every update.
        stop: asked after every update, and often while validating and testing.
    """

    def __init__(
        self,
        module: TranslationModule,
        log: RunLog,
        checkpoint_every: int,
        progress: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> None:
        self._module, self._log = module, log
        self._checkpoint = Checkpoint(log)
        self._checkpoint_every, self._progress, self._stop = checkpoint_every, progress, stop
        self._latest: dict[str, Any] = {}
        self._best: dict[str, float] = {}
        self._saved_updates = 0
        self._pace = Pace()

    def resume(self) -> None:
        """Put the module where its checkpoint stands, if there is one.

        Raises:
            CheckpointError: it cannot be read; nothing has been changed.
            ConfigError: it was made with other dictionaries.
        """

        def check(state: dict[str, Any]) -> None:
            corpus, folder = self._module.corpus, self._log.path / "checkpoint"
            weights.check_dictionaries(corpus, state["dictionaries"], folder)

        state = self._checkpoint.resume(check=check)
        if state:
            restore(self._module, state)
        self._latest, self._best = state.get("latest", {}), state.get("best", {})
        self._saved_updates = self._module.position.updates

    def after_batch(self) -> bool:
        module = self._module
        updates = module.position.updates
        if module.within_update:
            return True
        module.stop_asked = self._stop()
        # With several processes all must hear of it first, at the next update.
        stopping = module.stop_asked if module.shards == 1 else module.stopping
        due = stopping or updates - self._saved_updates >= self._checkpoint_every
        if due:
            module.settle()
        if module.row:
            self._log.metrics(module.row)
            self._latest |= module.row
        if module.diverged or (due and not module.epoch_ended):
            self._save()
        self._pace.measure(TRAINING, updates)
        self._report("training", module.position.batches, module.batches.per_epoch)
        return not (stopping or module.diverged)

    def after_epoch(self) -> bool:
        module = self._module
        if module.diverged or not module.epoch_ended:
            return False
        self._save()  # a stop does not wait for the validation, nor lose what is before it
        ended = self.end_epoch() and not module.diverged
        return not module.any_process(not ended)

    def end_epoch(self) -> bool:
        """Validate after an epoch's last update, and go on to the next epoch; False where that was
        stopped, so that the checkpoint before it counts."""
        module = self._module
        figures = module.end_epoch()
        row = {"epoch": module.position.epoch, "updates": module.position.updates, **figures}
        try:
            row |= losses(module.model, module.task, "valid", module.recipe, self._stop)
            module.diverged = not math.isfinite(row["valid/loss"])
            if not module.diverged:  # such weights cannot decode
                row["valid/bleu"] = self._valid_bleu()
        except StoppedError:
            return False
        if not module.diverged:
            self._keep_weights(row)
        self._log.evaluation(row)
        self._latest |= row
        self._save()
        self._pace.pause()
        module.model.train()
        return True

    def test(self) -> None:
        """Scores of the best epoch on the test set, BLEU of the mean of the last ones, and their
        texts; nothing where it is stopped."""
        with suppress(StoppedError):
            self._test()

    def _test(self) -> None:
        module, run = self._module, self._log.path
        row: dict[str, Any] = {"epoch": module.position.epoch, "updates": module.position.updates}
        mend_weights(self._log, module, int(self._best["epoch"]))
        for suffix, averaged in (("", False), ("_averaged", True)):
            module.model.load_state_dict(weights.load_weights(run, averaged=averaged))
            translations = translate_split(
                module.model,
                module.task,
                "test",
                module.recipe,
                progress=lambda done, of: self._report("test", done, of),
                stop=self._stop,
            )
            tokens = tokenised_bleu(translations, module.corpus)
            text = detokenised_bleu(translations, module.corpus)
            row |= {f"test/bleu{suffix}": tokens.value, f"test/bleu_13a{suffix}": text.value}
            if not averaged:
                row |= other_scores(translations, module.corpus, self._stop)
            write_texts(run, translations, module.corpus, ".averaged" if averaged else "")
        row |= {"test/signature": tokens.signature, "test/signature_13a": text.signature}
        self._log.evaluation(row)
        self._latest |= row

    def outcome(self) -> Outcome:
        """How the run ended."""
        figures = {key: v for key, v in self._latest.items() if isinstance(v, int | float)}
        if self._module.diverged:
            return Outcome("diverged", figures)
        return Outcome("finished" if "test/bleu" in figures else "interrupted", figures)

    def _valid_bleu(self) -> float:
        module = self._module
        translations = translate_split(
            module.model,
            module.task,
            "valid",
            module.recipe,
            sentences=module.recipe.validation_sentences,
            progress=lambda done, of: self._report("validation", done, of),
            stop=self._stop,
        )
        return tokenised_bleu(translations, module.corpus).value

    def _keep_weights(self, row: dict[str, Any]) -> None:
        module, epoch = self._module, self._module.position.epoch
        path = weights.save(self._log.path, epoch, module.model, module.recipe, module.corpus)
        bleu, loss = row["valid/bleu"], row["valid/loss"]
        best = self._best
        if not best or (bleu, -loss) >= (best["bleu"], -best.get("loss", math.inf)):
            self._best = {"epoch": epoch, "bleu": bleu, "loss": loss}
            weights.mark_best(path)
        weights.keep_last(self._log.path, epoch, module.recipe.average_last)

    def _save(self) -> None:
        position = self._module.position
        beside = {
            "latest": self._latest,
            "best": self._best,
            "dictionaries": weights.dictionary_digests(self._module.corpus),
        }
        where = [position.epoch, position.batches, position.updates]
        self._checkpoint.save(capture(self._module) | beside, where)
        self._saved_updates = position.updates

    def _report(self, phase: str, step: int, steps: int) -> None:
        module = self._module
        recipe, position = module.recipe, module.position
        loss = self._latest.get("train/loss")
        figures = {
            "loss": loss,
            "valid BLEU": self._latest.get("valid/bleu"),
            "best": self._best.get("bleu"),
        }
        seconds = self._pace.seconds_per_step(TRAINING)
        left = recipe.epochs * module.updates_per_epoch - position.updates
        epoch = min(position.epoch + (phase == "training"), recipe.epochs)
        self._progress(
            Progress(
                phase=f"epoch {epoch}/{recipe.epochs} {phase}",
                step=step,
                steps=steps,
                steps_per_second=1 / seconds if seconds else 0.0,
                seconds_left=left * seconds if seconds else None,
                members=(
                    MemberProgress(
                        module.member.label, "diverged" if module.diverged else "running", figures
                    ),
                ),
                unit="updates",
            )
        )
