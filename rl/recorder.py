"""After each chunk: hand out rows and progress, save checkpoints, and stop when asked to."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from rl.kept_weights import KeptWeights
from rl.member_checkpoint import MemberCheckpoint, agent_state, restore
from rl.population import Population
from rl.position import EPISODES, EVALUATION, PHASES, TRAINING, MemberRow, Position
from workload.member import Outcome, RunLog
from workload.progress import MemberProgress, Pace, Progress

WARM_UP, RESUMING, READING = "warm-up", "resuming", "reading the replay"


class PopulationRecorder:
    """Carries a population's rows and state to its members' run directories.

    Args:
        population: K members.
        logs: their run directories.
        checkpoint_every: training steps between checkpoints within a phase.
        keep_checkpoints: see `Machine`.
        progress: called after every chunk.
        stop: asked after every chunk, and while a checkpoint is read.
    """

    def __init__(
        self,
        population: Population,
        logs: Sequence[RunLog],
        checkpoint_every: int,
        keep_checkpoints: str,
        progress: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> None:
        self._population, self._logs = population, logs
        capacity = population.recipe.replay_capacity
        self._checkpoints = [MemberCheckpoint(log.path, capacity) for log in logs]
        self._kept = [KeptWeights(log, keep_checkpoints) for log in logs]
        self._checkpoint_every, self._progress, self._stop = checkpoint_every, progress, stop
        self._latest: list[dict[str, Any]] = [{} for _ in logs]
        self._saved = population.position
        self._pace = Pace()

    def resume(self, *, previous: bool, with_replay: bool = True) -> bool:
        """Put the population where its checkpoints stand, if there are any.

        Args:
            previous: take those before the newest.
            with_replay: else what the replays held is forgotten, of which their records tell.

        Returns False where it was stopped before: then the population is of no use, and the
        checkpoints are what they were.

        Raises:
            CheckpointError: one cannot be read; nothing has been changed but the population.
        """
        population = self._population
        if not all(checkpoint.exists() for checkpoint in self._checkpoints):
            for log in self._logs:
                log.rewind({})
            return True
        states = [checkpoint.load(previous=previous) for checkpoint in self._checkpoints]
        actions = restore(population, states)
        position = population.position = Position(*states[0]["position"])
        # a run that was killed between its end and done.json needs its replay no more
        if with_replay and not population.finished:
            self._load_replays(states)
        if self._stop():
            return False
        for k, (log, state) in enumerate(zip(self._logs, states, strict=True)):
            self._checkpoints[k].go_on()
            if not with_replay:
                self._checkpoints[k].forget_replay()
                log.remark(
                    f"its replay was lost at {population.steps[k]:,} agent steps, and filled again "
                    f"by {population.recipe.warm_up:,} without learning"
                )
            log.rewind(state["log_position"])
            self._latest[k] = state["latest"]
        there = population.resume(
            position, actions, self._reporter(RESUMING, len(actions)), self._stop
        )
        self._saved = population.position
        return there

    def record(self, rows: Sequence[MemberRow]) -> bool:
        """Take what a chunk gave, and save where that is due; returns whether to go on."""
        population = self._population
        for row in rows:
            log = self._logs[row.member]
            if row.log == "episode":
                log.own(EPISODES, row.values)
                continue
            (log.metrics if row.log == "metrics" else log.evaluation)(row.values)
            self._latest[row.member] |= row.values
            if row.log == "evaluation":
                self._kept[row.member].keep(agent_state(population, row.member), row.values)
        stopping = self._stop()
        position = population.position
        moved_on = position[:2] != self._saved[:2]
        due = moved_on or position.tick - self._saved.tick >= self._checkpoint_every
        if due or (position != self._saved and (stopping or population.finished)):
            self._save()
        self._measure()
        if not population.finished:
            steps = self._budgets[position.phase]
            waits = ", until its last episode ends," if position.tick >= steps else ""
            self._report(
                PHASES[position.phase] + waits,
                position.tick,
                steps,
                self._seconds_per_step(position.phase),
            )
        return not (stopping or population.finished)

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
                self._population, k, {"log_position": log.offsets(), "latest": self._latest[k]}
            )
            for k, (checkpoint, log) in enumerate(zip(self._checkpoints, self._logs, strict=True))
        ]
        for checkpoint, entry in zip(self._checkpoints, entries, strict=True):
            checkpoint.publish(entry)
        self._saved = self._population.position

    def _measure(self) -> None:
        position = self._population.position
        warm_up = position.phase == TRAINING and not self._population.updates.any()
        # a warm-up tells nothing of what comes
        self._pace.measure(WARM_UP if warm_up else position.phase, position.tick)

    def _load_replays(self, states: Sequence[dict[str, Any]]) -> None:
        population = self._population
        needed = {
            k: min(state["rows"], population.recipe.replay_capacity)
            for k, state in enumerate(states)
            if not population.diverged[k]
        }
        report, done = self._reporter(READING, sum(needed.values())), 0

        def read(rows: int) -> None:
            nonlocal done
            done += rows
            report(done)

        for k in needed:
            self._checkpoints[k].load_replay(population, k, states[k], self._stop, read)

    def _reporter(self, phase: str, steps: int) -> Callable[[int], None]:
        """Shows how far what comes before training is."""

        def report(step: int) -> None:
            self._pace.measure(phase, step)
            self._report(phase, step, steps, self._pace.seconds_per_step(phase))

        return report

    def _report(self, phase: str, step: int, steps: int, seconds_per_step: float | None) -> None:
        population = self._population
        epsilon = population.epsilon(slice(None))
        members = []
        for k, member in enumerate(population.members):
            block, g = population.block_of(k)
            means = block.window.means(g)
            if means["loss"] is None:  # the window is empty right after a row
                means = {key: self._latest[k].get(key) for key in means}
            status: Literal["running", "waiting", "diverged"] = "running"
            if population.diverged[k]:
                status = "diverged"
            elif population.phase_done[k]:
                status = "waiting"
            figures = {
                "loss": means["loss"],
                "score": population.scores.last[k],
                "epsilon": float(epsilon[k]),
                "mean Q": means["mean_q"],
            }
            members.append(MemberProgress(member.label, status, figures))
        iterations = population.recipe.iterations
        iteration = min(population.position.iteration + 1, iterations)
        self._progress(
            Progress(
                phase=f"iteration {iteration}/{iterations} {phase}",
                step=step,
                steps=steps,
                steps_per_second=1 / seconds_per_step if seconds_per_step else 0.0,
                seconds_left=self._seconds_left(),
                members=tuple(members),
                unit="steps",
            )
        )

    @property
    def _budgets(self) -> tuple[int, int]:
        """Steps of a training and of an evaluation phase."""
        recipe = self._population.recipe
        return recipe.training_steps, recipe.evaluation_steps

    def _seconds_per_step(self, phase: int) -> float | None:
        """In a phase, or else in the warm-up before it."""
        seconds = self._pace.seconds_per_step(phase)
        return self._pace.seconds_per_step(WARM_UP) if seconds is None else seconds

    def _seconds_left(self) -> float | None:
        """None until there is a measurement, and where nothing but the end of episodes is awaited;
        an unmeasured phase counts like the measured one."""
        recipe, position = self._population.recipe, self._population.position
        measured = [self._pace.seconds_per_step(phase) for phase in (TRAINING, EVALUATION)]
        known = [seconds for seconds in measured if seconds is not None]
        if not known:
            return None
        total = 0.0
        for phase, steps in enumerate(self._budgets):
            ticks = (recipe.iterations - position.iteration) * steps
            if phase < position.phase:
                ticks -= steps
            elif phase == position.phase:
                ticks -= min(position.tick, steps)
            seconds = measured[phase]
            total += max(ticks, 0) * (known[0] if seconds is None else seconds)
        return total or None
