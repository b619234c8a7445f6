"""DQN on Atari as a workload. Importing it imports no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl.other_tools import OTHER_NAMES
from rl.position import EPISODES
from workload import resources
from workload.contract import Command, Demo, Workload
from workload.errors import FullDiskError, UserError
from workload.recipe import OPTIMIZER_KEYS
from workload.wording import amount

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from rl import config
    from workload.findings import Finding
    from workload.member import Member, Outcome, RunLog
    from workload.progress import Progress
    from workload.report import Report
    from workload.resources import FreeMemory

# The rest of a training process: torch, the network with its optimizer.
PROCESS_MEMORY = 1_000_000_000
# Frames that fit the GPU by less than this may find it too full a moment later: then the host
# must have room for them.
GPU_MARGIN = 0.9
# On one shared core. VALID: tests/benchmarks/agent.py, see results/benchmarks; SAME in bf16: the
# run of results/evidence/breakout-dopamine, and in float32 as much more as VALID takes.
STEP_SECONDS = 0.0015  # an agent step with its choice of action
UPDATE_SECONDS = {  # an update of 32 transitions
    ("same", "float32"): 0.065,
    ("same", "bf16"): 0.04,
    ("valid", "float32"): 0.035,
    ("valid", "bf16"): 0.023,
}
# Weights, target network and up to four moments in float32, in two generations of checkpoints.
CHECKPOINT_BYTES = 2 * 6 * 4  # per parameter


def _evaluate(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    from rl.evaluate import main

    return main(parser, arguments)


def _watch(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    from rl.watch import main

    return main(parser, arguments)


KEPT = "kept"
"""A file beside a finished run's replay that says not to delete it."""


class DQNWorkload(Workload["config.Recipe", "config.Machine"]):
    NAME = "rl"
    TITLE = "DQN on Atari with each kind of weight decay in Adam."
    EXAMPLE = "--game Pong --scheme separated --weight-decay 1e-4 --seed 0"
    DEMO = Demo("the paper's four schemes on real Pong, in minutes", ("--preset demo",))
    PRESET = "paper"
    TRAINS_POPULATION = True
    TASK_KEY = "game"
    STEP_KEY = "agent_steps"
    EPOCH_KEY = "iteration"
    LENGTH_KEY = "iterations"
    OTHER_NAMES = OTHER_NAMES
    SYNONYMS = {"env": "game"}  # noqa: RUF012
    SECTIONS = {  # noqa: RUF012
        "What is trained, and how long": (
            "game",
            "iterations",
            "training_steps",
            "evaluation_steps",
            "log_every",
        ),
        "Optimizer": (
            "learning_rate",
            *OPTIMIZER_KEYS,
            "precision",
        ),
        "Learning": (
            "loss",
            "gamma",
            "n_step",
            "batch_size",
            "warm_up",
            "update_every",
            "target_every",
            "replay_capacity",
            "padding",
        ),
        "Exploration": ("epsilon_final", "epsilon_steps", "evaluation_epsilon"),
        "Environment": (
            "reward_clip",
            "sticky_actions",
            "frame_skip",
            "max_episode_steps",
            "truncation",
            "action_set",
            "no_ops",
            "fire_reset",
            "episodic_life",
        ),
    }
    COMMANDS = (
        Command(
            name="evaluate",
            text="let trained agents play so many episodes",
            description="Let the trained agents of runs play, several episodes at once, and say "
            "how well they do, with 95 % intervals. Each result is also a row of "
            "RUN/evaluations.jsonl.",
            main=_evaluate,
            examples=(
                "wdbench evaluate RUN --episodes 100 --epsilon 0.001",
                "wdbench evaluate RUN RUN --checkpoint best",
            ),
        ),
        Command(
            name="watch",
            text="film a trained agent playing an episode",
            description="Film the trained agent of a run playing one episode.",
            main=_watch,
            examples=(
                "wdbench watch RUN",
                "wdbench watch RUN --seed 1 --out episode.mp4",
            ),
        ),
    )
    PACKAGES = ("gymnasium", "ale-py", "zstandard")
    ROW_FILES = (EPISODES,)
    STATES = ("checkpoint", "replay")

    @property
    def Recipe(self) -> type[config.Recipe]:
        from rl.config import Recipe

        return Recipe

    @property
    def Machine(self) -> type[config.Machine]:
        from rl.config import Machine

        return Machine

    @property
    def report(self) -> Report:
        from rl.report import REPORT

        return REPORT

    def task(self, recipe: config.Recipe) -> str:
        """The game; of gymnasium's its id, as a name that a folder can have."""
        return re.sub(r"[/:]", "-", recipe.gymnasium_id or recipe.game)

    def free_keys(self, recipe: Mapping[str, Any]) -> tuple[str, ...]:
        return "iterations", "log_every"

    def memory_summary(self, recipe: config.Recipe, members: int) -> str:
        from rl.environment import observation_spec
        from rl.memory import batch_bytes, raw_replay_bytes, replay_bytes

        shows = observation_spec(recipe)
        batch = batch_bytes(members, recipe.batch_size, recipe.n_step, shows)
        compressed, raw = (
            f"{members} x {amount(each(1, recipe.replay_capacity, shows))} "
            f"= {amount(each(members, recipe.replay_capacity, shows))}"
            for each in (replay_bytes, raw_replay_bytes)
        )
        takes = raw if compressed == raw else f"up to {compressed} on a CPU, {raw} on a GPU"
        return (
            f"the replay takes {members} x {recipe.replay_capacity:,} transitions: {takes}; "
            f"a batch {amount(batch)}"
        )

    def validate(self, recipe: config.Recipe, machine: config.Machine) -> None:
        from rl.atari import rom_id
        from rl.environment import observation_spec
        from rl.memory import is_image

        if not recipe.gymnasium_id:
            rom_id(recipe.game)
        elif not is_image(observation_spec(recipe)) and recipe.padding != "same":
            raise UserError(
                f"padding: {recipe.game} shows vectors, for which there are no convolutions; leave "
                "it at same"
            )
        steps = recipe.iterations * recipe.training_steps
        if steps <= recipe.warm_up:
            raise UserError(
                f"warm_up: {recipe.warm_up:,} steps pass before learning starts, and training "
                f"ends after {steps:,}; lower --warm-up or train longer"
            )

    def max_population(self, recipe: config.Recipe, memory: FreeMemory) -> int:
        """As many members as replay and batch fit for: beside a GPU with raw frames, unless not
        even one fits."""
        from rl.environment import observation_spec
        from rl.memory import GPU_SHARE, batch_bytes, raw_replay_bytes, replay_bytes

        shows = observation_spec(recipe)
        capacity, host = recipe.replay_capacity, max(memory.host - PROCESS_MEMORY, 0)
        batch = batch_bytes(1, recipe.batch_size, recipe.n_step, shows)
        if memory.gpu:
            fixed = raw_replay_bytes(0, capacity, shows)
            free = max(host, int(GPU_MARGIN * GPU_SHARE * memory.gpu)) - fixed
            member = raw_replay_bytes(1, capacity, shows) - fixed + batch
            if free >= member:
                return free // member
        return host // (replay_bytes(1, capacity, shows) + batch)

    def core_seconds(self, recipe: config.Recipe, machine: config.Machine) -> float | None:
        if recipe.gymnasium_id:
            return None  # what an environment takes for a step is its own
        updates = max(recipe.iterations * recipe.training_steps - recipe.warm_up, 0)
        steps = recipe.iterations * (recipe.training_steps + recipe.evaluation_steps)
        update = UPDATE_SECONDS[recipe.padding, recipe.precision] * recipe.batch_size / 32
        return STEP_SECONDS * steps + update * updates / recipe.update_every

    def epochs_begun(self, position: tuple[int, ...]) -> int:
        iteration, phase, tick = position
        return iteration + (phase > 0 or tick > 0)

    def check(self, recipe: config.Recipe, machine: config.Machine, runs: Sequence[Path]) -> None:
        """Raise UserError where the game's ROM, memory, disk or device do not suffice."""
        from rl.memory import GPU_SHARE

        if problem := self.missing_data(recipe, machine):
            raise UserError(problem)
        resources.check_device(machine.device)
        cuda = None if machine.device == "cpu" else resources.cuda_memory()
        on_host = max(resources.free_memory() - PROCESS_MEMORY, 0)
        on_gpu = int(GPU_MARGIN * GPU_SHARE * cuda[0]) if cuda else 0
        if not self._fits_raw(recipe, len(runs), max(on_host, on_gpu) if cuda else 0):
            self._check_memory(recipe, len(runs), on_host)
        self._check_disk(recipe, runs)

    def missing_data(self, recipe: config.Recipe, machine: config.Machine) -> str | None:
        """That the game's ROM is missing or damaged, and what to do; None where it is there."""
        from rl.atari import ROM_ADVICE, has_rom

        if recipe.gymnasium_id or has_rom(recipe.game):
            return None
        return f"game: {recipe.game}'s ROM is missing or damaged; {ROM_ADVICE}"

    def _fits_raw(self, recipe: config.Recipe, members: int, free: int) -> bool:
        from rl.environment import observation_spec
        from rl.memory import batch_bytes, raw_replay_bytes

        shows = observation_spec(recipe)
        batch = batch_bytes(members, recipe.batch_size, recipe.n_step, shows)
        return raw_replay_bytes(members, recipe.replay_capacity, shows) + batch <= free

    def _check_memory(self, recipe: config.Recipe, members: int, free: int) -> None:
        """Raise UserError where not even compressed frames fit."""
        from rl.environment import observation_spec
        from rl.memory import batch_bytes, replay_bytes

        shows = observation_spec(recipe)
        batch = batch_bytes(members, recipe.batch_size, recipe.n_step, shows)
        replay = replay_bytes(members, recipe.replay_capacity, shows)
        if replay + batch <= free:
            return
        if batch > replay:
            raise UserError(
                f"batch_size: {self.memory_summary(recipe, members)}, but {amount(free)} of "
                "memory are free for that; choose a smaller --batch-size"
            )
        fixed = replay_bytes(members, 0, shows) + batch
        per_transition = replay_bytes(members, 1, shows) - replay_bytes(members, 0, shows)
        fits = max(free - fixed, 0) // per_transition // 1000 * 1000
        fewer = ", or train fewer members together, as `wdbench batch` does" if members > 1 else ""
        advice = (
            f"--replay-capacity {fits} fits{fewer}"
            if fits >= max(recipe.warm_up, 1000)
            else f"no capacity from warm_up, {recipe.warm_up:,}, on fits: train fewer members "
            "together or choose a smaller --batch-size"
        )
        raise UserError(
            f"replay_capacity: {self.memory_summary(recipe, members)}, but {amount(free)} of "
            f"memory are free for that; {advice}"
        )

    def disk(self, recipe: config.Recipe, machine: config.Machine) -> int:
        return self._disk(recipe)

    def _disk(self, recipe: config.Recipe) -> int:
        """Bytes of a member: its replay, and two states."""
        from rl.architecture import shapes
        from rl.environment import observation_spec
        from rl.memory import CLOSING, replay_disk_bytes

        shows = observation_spec(recipe)
        kept = min(recipe.replay_capacity, recipe.iterations * recipe.training_steps)
        most = shapes(CLOSING, recipe.padding, shows)  # more actions than there can be
        parameters = sum(map(math.prod, most.values()))
        return replay_disk_bytes(kept, shows) + CHECKPOINT_BYTES * parameters

    def _check_disk(self, recipe: config.Recipe, runs: Sequence[Path]) -> None:
        need = len(runs) * self._disk(recipe)
        free = resources.disk_for(runs)
        if need > free:
            raise FullDiskError(
                f"runs: checkpoints below {runs[0]} and its like take up to {amount(need)} on "
                f"disk, {amount(free)} are free; choose another --runs or a smaller "
                "--replay-capacity"
            )

    def train(
        self,
        recipe: config.Recipe,
        members: Sequence[Member],
        logs: Sequence[RunLog],
        machine: config.Machine,
        *,
        progress: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> Sequence[Outcome]:
        from rl.training import train_population

        return train_population(recipe, members, logs, machine, progress=progress, stop=stop)

    def damage(self, run: Path) -> Iterator[str]:
        from rl.member_checkpoint import replay_damage

        yield from replay_damage(run)

    def can_go_on(self, run: Path) -> bool:
        return super().can_go_on(run) and (run / "replay").is_dir()

    def clean_up(self, run: Path, machine: config.Machine, *, finished: bool) -> None:
        """Delete the replay, unless it shall be kept, or was to be when the run ended."""
        replay = run / "replay"
        if not replay.exists():  # the usual case, without torch
            return
        if finished and machine.keep_replay:
            (replay / KEPT).touch()
        if finished and (replay / KEPT).exists():
            return
        from rl.member_checkpoint import delete_replay

        (replay / KEPT).unlink(missing_ok=True)
        delete_replay(run)

    def doctor(self) -> Iterator[Finding]:
        from rl.doctor import findings

        return findings()


WORKLOAD = DQNWorkload()
