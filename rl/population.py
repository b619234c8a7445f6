"""K agents of one game, stepped together: environment -> replay -> update -> diagnostics.

Members are independent. What happens to one never changes another, and none can tell whom it
shares a population with. Nothing here reads or writes a file.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from rl.config import Recipe
from rl.draws import Purpose, Uniforms, environment_seed
from rl.environment import Environments
from rl.exploration import annealed_epsilon, epsilon_greedy
from rl.network import Weights, initial_parameters
from rl.progress import EVALUATION, TRAINING, Position, Row
from rl.replay import Replay
from rl.scores import Scores, Window, summary
from rl.update import update
from shared_optim import StepReport, WeightDecayAdam, lambdas, observe_step
from workload.member import Member
from workload.optimizer import build_optimizer


class Population:
    """K members in lockstep; `run` takes them forward.

    A tick is one agent step of every active member. A member is inactive once it has diverged,
    and from the end of its last episode in a phase until all are through.

    Args:
        recipe: what the members share.
        members: what is their own, K of them.
        device: where the arithmetic and the replay are.
    """

    def __init__(self, recipe: Recipe, members: Sequence[Member], device: torch.device) -> None:
        self.recipe, self.members, self.device = recipe, tuple(members), device
        self.size = len(members)
        self._seeds = [member.seed for member in members]
        self.environments = Environments(recipe, self.size)
        self.replay = Replay(
            self.size,
            recipe.replay_capacity,
            n_step=recipe.n_step,
            gamma=recipe.gamma,
            batch_size=recipe.batch_size,
            device=device,
        )
        initial = initial_parameters(self._seeds, self.environments.actions, recipe.padding)
        self.parameters = {name: nn.Parameter(p.to(device)) for name, p in initial.items()}
        self.optimizer = _optimizer(self.parameters, recipe, members)
        dtype = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
        self.online = Weights(self.parameters, dtype)
        self.target = Weights(self.parameters, dtype, frozen=True)

        self.position = Position(0, TRAINING, 0)
        self.steps = np.zeros(self.size, dtype=np.int64)
        self.updates = np.zeros(self.size, dtype=np.int64)
        self.through = np.zeros(self.size, dtype=bool)
        self.diverged = np.zeros(self.size, dtype=bool)
        self.scores = Scores(self.size)
        self.window = Window(self.size, device)
        self._log_every = min(
            recipe.log_every, recipe.training_steps - recipe.training_steps % recipe.update_every
        )
        self._begun = False
        self._actions = bytearray()

    @property
    def active(self) -> np.ndarray:
        """Who steps in the present phase, [K] bool."""
        result: np.ndarray = ~(self.through | self.diverged)
        return result

    @property
    def finished(self) -> bool:
        """Whether all iterations are done, or nobody is left."""
        return self.position.iteration >= self.recipe.iterations or bool(self.diverged.all())

    @property
    def epsilon(self) -> np.ndarray:
        """The probability of a random action in the present phase, [K]."""
        if self.position.phase == EVALUATION:
            return np.full(self.size, self.recipe.evaluation_epsilon)
        return annealed_epsilon(
            self.steps,
            warm_up=self.recipe.warm_up,
            epsilon_steps=self.recipe.epsilon_steps,
            epsilon_final=self.recipe.epsilon_final,
        )

    def run(self, ticks: int) -> list[Row]:
        """Go at most `ticks` forward, never past the end of a phase, and return what there is
        to log."""
        if self.finished:
            return []
        if not self._begun:
            self._begin_phase()
        rows: list[Row] = []
        for _ in range(ticks):
            if not self.active.any():
                break
            rows += self._tick()
        rows += self._find_diverged()
        if not self.active.any():
            rows += self._end_phase()
        return rows

    @property
    def phase_actions(self) -> np.ndarray:
        """What was done since the phase began, [T, K] uint8."""
        return np.frombuffer(self._actions, dtype=np.uint8).reshape(-1, self.size)

    def resume(
        self, position: Position, actions: np.ndarray, progress: Callable[[int], None]
    ) -> None:
        """Lead the environments back to where a checkpoint stands.

        Args:
            position: where that is.
            actions: what was done since its phase began, [T, K] uint8.
            progress: called with the number of actions replayed so far.
        """
        self.position = position
        if not len(actions):
            return
        self._begin_phase()
        for tick, row in enumerate(actions):
            self._observations = self.environments.step(row.astype(np.int64)).observation
            if tick % 1000 == 0:
                progress(tick)
        self._actions = bytearray(actions.tobytes())

    def counters(self, k: int) -> dict[str, Any]:
        """Member k's numbers that are neither tensors nor replay, as plain values."""
        return {
            "steps": int(self.steps[k]),
            "updates": int(self.updates[k]),
            "through": bool(self.through[k]),
            "diverged": bool(self.diverged[k]),
            "scores": self.scores.state(k),
            "window": self.window.state(k),
        }

    def set_counters(self, k: int, saved: dict[str, Any]) -> None:
        """Take over what `counters` returned."""
        for key in ("steps", "updates", "through", "diverged"):
            getattr(self, key)[k] = saved[key]
        self.scores.set_state(k, saved["scores"])
        self.window.set_state(k, saved["window"])

    def _begin_phase(self) -> None:
        iteration, phase, _ = self.position
        self._exploration = Uniforms(self._seeds, Purpose.EXPLORATION, (iteration, phase), 2)
        self._sampling = Uniforms(
            self._seeds, Purpose.REPLAY, (iteration, phase), self.recipe.batch_size
        )
        self._observations = self.environments.reset(
            [environment_seed(seed, iteration, phase) for seed in self._seeds]
        )
        self._begun = True

    def _tick(self) -> list[Row]:
        iteration, phase, tick = self.position
        recipe, active = self.recipe, self.active
        actions = epsilon_greedy(
            self._exploration.row(tick),
            self.epsilon,
            active,
            self.environments.actions,
            self.online,
            self._observations,
        )
        step = self.environments.step(actions)
        if phase == TRAINING:
            rewards = np.clip(step.reward, -1, 1) if recipe.reward_clip else step.reward
            frames = self._observations[:, -1]
            self.replay.append(frames, actions, rewards, step.ended, active)
            self.steps += active
        self._observations = step.observation
        self._actions += actions.astype(np.uint8).tobytes()
        self.scores.add(step.reward, step.ended, active, training=phase == TRAINING)
        self.position = Position(iteration, phase, tick + 1)
        budget = recipe.training_steps if phase == TRAINING else recipe.evaluation_steps
        if tick + 1 >= budget:
            self.through |= step.ended & active
        return self._learn(active) if phase == TRAINING else []

    def _learn(self, active: np.ndarray) -> list[Row]:
        """The update, the copy into the target network and the rows due after a training step."""
        recipe, tick = self.recipe, self.position.tick
        learning = active & (self.steps > recipe.warm_up)
        due = tick % self._log_every == 0
        report = None
        if tick % recipe.update_every == 0 and learning.any():
            report = self._update(learning, observe=due)
        for k in np.flatnonzero(learning & (self.steps % recipe.target_every == 0)).tolist():
            self.target.load(self.online.member(k), k)
        if not due:
            return []
        rows = self._find_diverged()
        return rows + [
            Row(k, "metrics", self._metrics(k, report if learning[k] else None))
            for k in np.flatnonzero(active & ~self.diverged).tolist()
        ]

    def _update(self, learning: np.ndarray, *, observe: bool) -> StepReport | None:
        """One gradient step of the members with `learning`, [K] bool."""
        recipe = self.recipe
        members = np.flatnonzero(learning).tolist()
        batch = self.replay.sample(self._sampling.row(self.position.tick // recipe.update_every))
        result = update(self.online, self.target, batch, members, recipe.loss)
        for name, parameter in self.parameters.items():
            parameter.grad = result.gradients[name]
        active = None if learning.all() else learning.tolist()
        report = None
        if observe:
            report = observe_step(self.optimizer, active=active)
        else:
            self.optimizer.step(active=active)
        self.online.refresh(self.parameters, members)
        self.updates += learning
        self.window.add(result.loss, result.mean_q, learning)
        return report

    def _metrics(self, k: int, report: StepReport | None) -> dict[str, Any]:
        """Member k's row of metrics, over the time since its last one."""
        row = {
            "iteration": self.position.iteration,
            "agent_steps": int(self.steps[k]),
            "updates": int(self.updates[k]),
            "epsilon": float(self.epsilon[k]),
            **summary("train", self.scores.window[k]),
            **self.window.means(k),
            **(report.metrics(k) if report else {}),
        }
        self.scores.window[k] = []
        self.window.clear(k)
        return row

    def _find_diverged(self) -> list[Row]:
        """Stop the members whose loss or weights are not finite, with a last row for each."""
        finite = torch.isfinite(self.window.loss)
        for parameter in self.parameters.values():
            finite &= torch.isfinite(parameter.detach().flatten(1).sum(1))
        fresh = ~finite.cpu().numpy() & ~self.diverged
        self.diverged |= fresh
        return [
            Row(k, "metrics", self._metrics(k, None) | {"diverged": True})
            for k in np.flatnonzero(fresh).tolist()
        ]

    def _end_phase(self) -> list[Row]:
        """Close the phase for everybody and move on to the next."""
        iteration, phase, _ = self.position
        prefix = "train" if phase == TRAINING else "eval"
        rows = []
        last = phase == EVALUATION or self.recipe.evaluation_steps == 0
        for k in np.flatnonzero(~self.diverged).tolist():
            episodes = self.scores.phase[k]
            phase_steps = sum(length for _, length in episodes)
            done = summary(prefix, episodes) | {f"{prefix}/steps": phase_steps}
            self.scores.iteration[k] |= done
            if last:
                place = {"iteration": iteration, "agent_steps": int(self.steps[k])}
                rows.append(Row(k, "evaluation", place | self.scores.iteration[k]))
                self.scores.iteration[k] = {}
        self.scores.phase = [[] for _ in range(self.size)]
        self.through[:] = False
        self._actions.clear()
        self._begun = False
        following = (iteration + 1, TRAINING) if last else (iteration, EVALUATION)
        self.position = Position(*following, 0)
        return rows


def _optimizer(
    parameters: dict[str, nn.Parameter], recipe: Recipe, members: Sequence[Member]
) -> WeightDecayAdam:
    """One optimizer for all members, each with the lambda of its own scheme."""
    decaying = [item for item in parameters.items() if _decays(item[0], recipe)]
    exempt = [item for item in parameters.items() if not _decays(item[0], recipe)]
    groups: list[dict[str, Any]] = [{"params": decaying}]
    if exempt:
        groups.append({"params": exempt, **lambdas("none", 0.0)})
    return build_optimizer(recipe, members, groups)


def _decays(name: str, recipe: Recipe) -> bool:
    return recipe.decay_biases or name.endswith(".weight")
