"""The training of a language model."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lm.config import Recipe
from lm.gpt import GPT
from lm.watch import DivergenceWatch
from lm.window_data import WindowData
from shared_optim import decay_groups
from shared_optim.learning_rates import LearningRate
from shared_optim.measures.observe import Observation
from workload.build_optimizer import AnyOptimizer, effective_rates, sgd_or_adam
from workload.member import Member
from workload.network_training import NetworkTraining
from workload.stopping import unasked
from workload.weight_figures import distance, squares


class LanguageTraining(NetworkTraining[Recipe]):
    """One model; a round is an epoch. See `NetworkTraining`.

    Args:
        recipe: the recipe.
        member: scheme, lambda and seed.
        data: the windows, on the device that the model will be on.
    """

    def __init__(self, recipe: Recipe, member: Member, data: WindowData) -> None:
        torch.manual_seed(member.seed)
        shape = recipe.layers, recipe.heads, recipe.width
        model = GPT(data.prepared.vocabulary, recipe.context, *shape)
        if recipe.weights == "bf16":
            model.to(torch.bfloat16)
        device = data.fixed["val"][0].device
        super().__init__(recipe, member, model, data.position)
        self.data = data
        self.watch = DivergenceWatch(recipe.divergence, device)
        # losses and updates: since the last row, of this round
        self.window, self.round_sums = torch.zeros(2, 2, dtype=torch.float64, device=device)

    @property
    def updates_per_epoch(self) -> int:
        return self.recipe.updates_per_round

    @property
    def epochs(self) -> int:
        return self.recipe.rounds

    def make_optimizer(self) -> AnyOptimizer:
        named: Any = list(self.model.named_parameters())
        groups = named if self.recipe.decay_biases else decay_groups(self.model)
        return sgd_or_adam(self.recipe, self.member, groups, self.recipe.decay)

    @property
    def learning_rates(self) -> LearningRate:
        return self.recipe.learning_rates

    def loss(self, windows: Tensor) -> Tensor:
        """The mean cross-entropy of the next token, in nats, of windows int64 [B, T + 1]."""
        lower = self.recipe.precision == "bf16" and self.recipe.weights == "float32"
        with torch.autocast(windows.device.type, torch.bfloat16, enabled=lower):
            logits = self.model(windows[:, :-1])
        return functional.cross_entropy(logits.float().flatten(0, 1), windows[:, 1:].flatten())

    def differentiate(self, loss: Tensor) -> None:
        """Add the gradient of a loss."""
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        """Take the optimizer's step."""
        self.optimizer.step()

    def update(self, batch: Tensor) -> None:
        """An update on windows int64 [accumulate, B, T + 1]."""
        optimizer, average = self.optimizer, self.average
        optimizer.zero_grad()
        total = torch.zeros_like(self.window[0])
        for windows in batch:
            loss = self.loss(windows) / len(batch)
            self.differentiate(loss)
            total += loss.detach()
        norm = self._clip()
        rate = float(optimizer.param_groups[0]["lr"])
        due = (self.position.updates + 1) % self.recipe.log_every == 0
        observation = Observation(optimizer, self.start) if due else None
        self.step()
        self.scheduler.step()
        if average is not None:
            average.update()
        self.position.batches += 1
        self.position.updates += 1
        self.watch.see(total, self.position.updates)
        self.window += torch.stack([total, torch.ones_like(total)])
        self.round_sums += torch.stack([total, torch.ones_like(total)])
        self.row = {}
        if observation is not None:
            self._log_row(rate, norm, observation.report().metrics())

    def _clip(self) -> Tensor | None:
        """Clip the gradient; its norm before, None where it is not clipped."""
        if not self.recipe.clip_norm:
            return None
        return nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)

    def _log_row(self, rate: float, norm: Tensor | None, inside: dict[str, float]) -> None:
        loss, updates = self.window.tolist()
        self.window.zero_()
        row = {
            "round": self.position.epoch,
            "updates": self.position.updates,
            "train/loss": loss / updates,
            "learning_rate": rate,
            **({} if norm is None else {"train/gradient_norm": float(norm)}),
            **effective_rates(rate, inside["optim/weight_norm"]),
            **inside,
            **self._divergence(),
        }
        self.log_row(row)

    def _divergence(self) -> dict[str, Any]:
        """What a row says of a training that has diverged."""
        found = self.watch.update
        self.diverged = found is not None
        return {} if found is None else {"diverged": True, "diverged_at": found}

    def end_epoch(self) -> dict[str, float]:
        """Move on to the next round; returns the figures of the one that ended."""
        loss, updates = self.round_sums.tolist()
        self.round_sums.zero_()
        self.position.epoch += 1
        self.position.batches = 0
        return {"train/loss": loss / updates, **self._divergence()}

    @torch.no_grad()
    def fixed_losses(self, between: Callable[[], None] = unasked) -> dict[str, float]:
        """Mean losses on the fixed windows of the validation and the training text, in the
        arithmetic of the training.

        Args:
            between: called before each batch; what it raises passes.
        """
        figures = {}
        for part, batches in self.data.fixed.items():
            total = torch.zeros_like(self.window[0])
            for windows in batches:
                between()
                total += self.loss(windows).double() * len(windows)
            figures[f"{part}/loss"] = float(total) / sum(map(len, batches))
        return figures

    def weight_figures(self) -> dict[str, float]:
        """Norms of all weights and of each layer, and the distance from the initial weights."""
        found = squares(self.model)
        return {
            "weights/norm": math.sqrt(sum(found.values())),
            "weights/distance": distance(self.model, self.start),
            **{f"weights/layer/{name}": math.sqrt(value) for name, value in found.items()},
        }
