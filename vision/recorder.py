"""After each batch: rows, progress and checkpoints; after each epoch: test."""

from typing import Any

from vision.evaluation import evaluate
from vision.measures.look import sharpness_look
from vision.module import VisionModule
from vision.optimizer import budget_until
from vision.state import capture, restore
from workload.recorder import NetworkRecorder


class VisionRecorder(NetworkRecorder[VisionModule]):
    """Carries a module's rows and state to its run directory."""

    SHOWN = {  # noqa: RUF012
        "loss": "train/loss",
        "train %": "train/accuracy",
        "test %": "test/accuracy",
    }

    def capture(self) -> dict[str, Any]:
        return capture(self.module)

    def restore(self, state: dict[str, Any]) -> None:
        restore(self.module, state)

    def begin_branch(self) -> None:
        self.module.window.zero_()  # batches of the other run

    def figures(self) -> dict[str, float]:
        """Decay so far and weights; where they are due scores, those of the mean of the weights,
        and sharpness."""
        module = self.module
        recipe, epoch = module.recipe, module.position.epoch
        figures = {
            "decay_budget": budget_until(recipe, module.member, module.updates_per_epoch, epoch)
        }
        figures |= module.weight_figures()
        if module.finished or epoch % recipe.evaluate_every == 0:
            figures |= self._scores()
            if module.average is not None:
                with module.average.in_place(module.training_images()):
                    averaged = self._scores()
                figures |= {f"{key}_averaged": value for key, value in averaged.items()}
        every = recipe.sharpness_every
        if every and (module.finished or epoch % every == 0):
            figures |= sharpness_look(module.model, module.data.labelled, self.between)
        return figures

    def _scores(self) -> dict[str, float]:
        """Loss and accuracy on images as they are, at the end of those that were trained on too."""
        module, data = self.module, self.module.data
        loss, accuracy = evaluate(module.model, data.test, data.test.labels, self.between)
        scores = {"test/loss": loss, "test/accuracy": accuracy}
        if module.finished:
            loss, accuracy = evaluate(module.model, data.train, data.labels, self.between)
            scores |= {"fit/loss": loss, "fit/accuracy": accuracy}
        return scores
