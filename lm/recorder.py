"""After each update: rows, progress and checkpoints; after each round: losses on fixed windows."""

from typing import Any

from lm.language_training import LanguageTraining
from lm.state import capture, restore
from workload.member import Outcome
from workload.output import say
from workload.recorder import NetworkRecorder


class LanguageRecorder(NetworkRecorder[LanguageTraining]):
    """Carries a module's rows and state to its run directory."""

    UNIT = "round"
    SHOWN = {"loss": "train/loss", "val": "val/loss"}  # noqa: RUF012

    def capture(self) -> dict[str, Any]:
        return capture(self.module)

    def restore(self, state: dict[str, Any]) -> None:
        restore(self.module, state)

    def begin_branch(self) -> None:
        self.module.window.zero_()  # updates of the other run

    def figures(self) -> dict[str, float]:
        """Losses on fixed windows, those of the mean of the weights, and weights."""
        module = self.module
        figures = module.weight_figures() | module.fixed_losses(self.between)
        if module.average is not None:
            with module.average.in_place():
                averaged = module.fixed_losses(self.between)
            figures |= {f"{key}_averaged": value for key, value in averaged.items()}
        return figures

    def outcome(self) -> Outcome:
        if self.module.diverged:
            say(f"{self.module.member.label}: diverged at update {self.module.watch.update}")
        return super().outcome()

    def rates(self, seconds: float | None) -> dict[str, float | None]:
        recipe = self.module.recipe
        return {"tokens/s": recipe.windows * recipe.context / seconds if seconds else None}
