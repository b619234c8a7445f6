"""After each chunk: hand out rows and progress, save checkpoints, and stop when asked to."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import lightning
import numpy as np

from rl.checkpoint import Checkpoint, restore
from rl.module import DQNModule
from rl.population import Population
from rl.progress import PHASES, TRAINING, MemberProgress, Position, Progress
from shared_optim.checkpoint_files import CheckpointFiles
from shared_optim.member import Outcome, RunLog


class Recorder(lightning.Callback):
    """Carries a population's rows and state to its members' run directories.

    Args:
        population: K members.
        logs: their run directories.
        checkpoint_every: training steps between checkpoints within a phase.
        progress: called after every chunk.
        stop: asked after every chunk.
    """

    def __init__(
        self,
        population: Population,
        logs: Sequence[RunLog],
        checkpoint_every: int,
        progress: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> None:
        self._population, self._logs = population, logs
        capacity = population.recipe.replay_capacity
        self._checkpoints = [Checkpoint(log.path, capacity) for log in logs]
        self._checkpoint_every, self._progress, self._stop = checkpoint_every, progress, stop
        self._latest: list[dict[str, Any]] = [{} for _ in logs]
        self._saved = population.position
        self._pace = _Pace(population)

    def resume(self, *, previous: bool) -> None:
        """Put the population where its checkpoints stand, if there are any.

        Raises:
            CheckpointError: one cannot be read; nothing has been changed.
        """
        population = self._population
        if not all(checkpoint.exists() for checkpoint in self._checkpoints):
            for log in self._logs:
                log.rewind({})
            return
        states = [checkpoint.load(previous=previous) for checkpoint in self._checkpoints]
        for log, state in zip(self._logs, states, strict=True):
            CheckpointFiles(log.path).check_log(log, state["log_position"], previous=previous)
        actions = restore(population, states)
        position = Position(*states[0]["position"])
        for k, checkpoint in enumerate(self._checkpoints):
            # a run that was killed between its end and done.json needs its replay no more
            if position.iteration < population.recipe.iterations and not population.diverged[k]:
                checkpoint.load_replay(population, k, states[k])
        for k, (log, state) in enumerate(zip(self._logs, states, strict=True)):
            if previous:
                self._checkpoints[k].withdraw_latest()
            log.rewind(state["log_position"])
            self._latest[k] = state["latest"]
        population.resume(
            position, actions, lambda done: self._report("resuming", done, len(actions))
        )
        self._saved = population.position
        self._pace = _Pace(population)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any
    ) -> None:
        population = self._population
        assert isinstance(pl_module, DQNModule)
        for row in pl_module.rows:
            log = self._logs[row.member]
            (log.metrics if row.log == "metrics" else log.evaluation)(row.values)
            self._latest[row.member] |= row.values
        stopping = self._stop()
        position = population.position
        moved_on = position[:2] != self._saved[:2]
        due = moved_on or position.tick - self._saved.tick >= self._checkpoint_every
        if due or (position != self._saved and (stopping or population.finished)):
            self._save()
        phase = PHASES[position.phase]
        recipe = population.recipe
        steps = recipe.training_steps if position.phase == TRAINING else recipe.evaluation_steps
        self._pace.measure()
        if not population.finished:
            self._report(phase, position.tick, steps)
        trainer.should_stop = stopping or population.finished

    def outcomes(self) -> list[Outcome]:
        """How each member ended."""
        population = self._population
        result = []
        for k, latest in enumerate(self._latest):
            figures = {key: v for key, v in latest.items() if isinstance(v, int | float)}
            if population.diverged[k]:
                result.append(Outcome("diverged", figures))
            elif population.finished:
                result.append(Outcome("finished", figures))
            else:
                result.append(Outcome("interrupted", figures))
        return result

    def _save(self) -> None:
        """All states are written before the first is published: members stay together."""
        entries = [
            checkpoint.write(
                self._population, k, {"log_position": log.position(), "latest": self._latest[k]}
            )
            for k, (checkpoint, log) in enumerate(zip(self._checkpoints, self._logs, strict=True))
        ]
        for checkpoint, entry in zip(self._checkpoints, entries, strict=True):
            checkpoint.publish(entry)
        self._saved = self._population.position

    def _report(
        self, phase: Literal["training", "evaluation", "resuming"], step: int, steps: int
    ) -> None:
        population = self._population
        epsilon = population.epsilon(slice(None))
        members = []
        for k, member in enumerate(population.members):
            block, place = population.block_of(k)
            means = block.window.means(place)
            if means["loss"] is None:  # the window is empty right after a row
                means = {key: self._latest[k].get(key) for key in means}
            status: Literal["running", "waiting", "diverged"] = "running"
            if population.diverged[k]:
                status = "diverged"
            elif population.through[k]:
                status = "waiting"
            members.append(
                MemberProgress(
                    name=f"{member.name}/seed{member.seed}",
                    epsilon=float(epsilon[k]),
                    loss=means["loss"],
                    mean_q=means["mean_q"],
                    score=population.scores.last[k],
                    status=status,
                )
            )
        self._progress(
            Progress(
                iteration=min(population.position.iteration, population.recipe.iterations - 1),
                iterations=population.recipe.iterations,
                phase=phase,
                step=step,
                steps=steps,
                steps_per_second=self._pace.steps_per_second,
                seconds_left=self._pace.seconds_left(),
                members=tuple(members),
            )
        )


class _Pace:
    """Agent steps per second, all members together, and the time left at the present pace."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._last = (time.monotonic(), population.position)
        self._seconds_per_tick: dict[int, float] = {}
        self.steps_per_second = 0.0

    def measure(self) -> None:
        """Take the time since the last call, unless a phase has ended in between."""
        now, position = time.monotonic(), self._population.position
        before, since = self._last
        self._last = (now, position)
        ticks = position.tick - since.tick
        if position[:2] != since[:2] or ticks <= 0:
            return
        sample = (now - before) / ticks
        active = int(np.sum(self._population.active))
        if position.phase == TRAINING and not self._population.updates.any():
            self.steps_per_second = active / sample  # a warm-up tells nothing of what comes
            return
        smooth = self._seconds_per_tick.get(position.phase, sample)
        smooth += 0.3 * (sample - smooth)
        self._seconds_per_tick[position.phase] = smooth
        self.steps_per_second = active / smooth

    def seconds_left(self) -> float | None:
        """None until there is a measurement; an unmeasured phase counts like the measured one."""
        if not self._seconds_per_tick:
            return None
        recipe, position = self._population.recipe, self._population.position
        any_pace = next(iter(self._seconds_per_tick.values()))
        total = 0.0
        for phase, steps in enumerate((recipe.training_steps, recipe.evaluation_steps)):
            ticks = (recipe.iterations - position.iteration) * steps
            if phase < position.phase:
                ticks -= steps
            elif phase == position.phase:
                ticks -= min(position.tick, steps)
            total += max(ticks, 0) * self._seconds_per_tick.get(phase, any_pace)
        return total
