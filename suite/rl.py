"""DQN on Atari as a workload of the suite. Importing it imports no torch."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rl.config import ConfigError
from rl.config import Machine as Machine
from rl.config import Member as Member
from rl.config import Recipe as Recipe
from rl.config import Scheme as Scheme
from rl.memory import GPU_SHARE, batch_bytes, replay_bytes
from rl.progress import Progress
from rl.report import REPORT
from shared_optim.member import Outcome
from suite import resources
from suite.damage import damage_explained
from suite.errors import FullDiskError, UserError
from suite.resources import Room
from suite.wording import amount

NAME = "rl"
TITLE = "DQN on Atari with four kinds of weight decay in Adam."
PRESET = "paper"
PRESET_KEY: str | None = None
TOGETHER = True
SUBJECT = "game"
STEP = "agent_steps"
ROUND = "iteration"
report = REPORT

SECTIONS = {
    "What is trained, and how long": (
        "game",
        "iterations",
        "training_steps",
        "evaluation_steps",
        "log_every",
    ),
    "Optimizer": (
        "learning_rate",
        "beta1",
        "beta2",
        "adam_eps",
        "eps_placement",
        "rounding",
        "decay_schedule",
        "decay_biases",
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
    "Environment": ("reward_clip", "sticky_actions", "frame_skip", "max_episode_steps"),
}

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
MEMBER_CHECKPOINT = 2 * 6 * 4 * 4_100_000


def subject(recipe: Recipe) -> str:
    return recipe.game


def identity(recipe: Recipe) -> dict[str, Any]:
    return asdict(recipe)


def needs(recipe: Recipe, members: int) -> str:
    one = replay_bytes(1, recipe.replay_capacity)
    batch = batch_bytes(members, recipe.batch_size, recipe.n_step)
    return (
        f"the replay takes {members} x {recipe.replay_capacity:,} transitions "
        f"= {members} x {amount(one)} = {amount(members * one)}, a batch {amount(batch)}"
    )


def validate(recipe: Recipe, machine: Machine) -> None:
    from rl.environment import rom_id

    try:
        rom_id(recipe.game)
    except ConfigError as error:
        raise UserError(str(error)) from error
    steps = recipe.iterations * recipe.training_steps
    if steps <= recipe.warm_up:
        raise UserError(
            f"warm_up: {recipe.warm_up:,} steps pass before learning starts, and training ends "
            f"after {steps:,}; lower --warm-up or train longer"
        )


def lacking(recipe: Recipe, machine: Machine) -> str | None:
    """Nothing: games come with ale-py."""
    return None


def provide(recipe: Recipe, machine: Machine) -> None:
    """Nothing: games come with ale-py."""


def together(recipe: Recipe, room: Room) -> int:
    """As many members as have room for replay and batch, on the GPU or on the host."""
    memory = max(room.host - PROCESS_MEMORY, int(GPU_MARGIN * GPU_SHARE * room.gpu))
    fixed = replay_bytes(0, recipe.replay_capacity)
    batch = batch_bytes(1, recipe.batch_size, recipe.n_step)
    member = replay_bytes(1, recipe.replay_capacity) - fixed + batch
    return max(memory - fixed, 0) // member


def core_seconds(recipe: Recipe, machine: Machine) -> float | None:
    updates = max(recipe.iterations * recipe.training_steps - recipe.warm_up, 0)
    steps = recipe.iterations * (recipe.training_steps + recipe.evaluation_steps)
    update = UPDATE_SECONDS[recipe.padding, recipe.precision] * recipe.batch_size / 32
    return STEP_SECONDS * steps + update * updates / recipe.update_every


def check(recipe: Recipe, machine: Machine, runs: Sequence[Path]) -> None:
    """Raise UserError where memory, disk or device do not suffice."""
    cuda = None if machine.device == "cpu" else resources.cuda_memory()
    if machine.device == "cuda" and cuda is None:
        raise UserError("device cuda: torch finds no usable GPU here; allowed are auto and cpu")
    on_host = max(resources.free_memory() - PROCESS_MEMORY, 0)
    on_gpu = int(GPU_MARGIN * GPU_SHARE * cuda[0]) if cuda else 0
    _check_memory(recipe, len(runs), max(on_host, on_gpu))
    _check_disk(recipe, runs)


def _check_memory(recipe: Recipe, members: int, room: int) -> None:
    batch = batch_bytes(members, recipe.batch_size, recipe.n_step)
    if replay_bytes(members, recipe.replay_capacity) + batch <= room:
        return
    fixed = replay_bytes(members, 0) + batch
    per_transition = replay_bytes(members, 1) - replay_bytes(members, 0)
    fits = max(room - fixed, 0) // per_transition // 1000 * 1000
    fewer = ", or train fewer members together, as `wdbench batch` does" if members > 1 else ""
    advice = (
        f"--replay-capacity {fits} fits{fewer}"
        if fits >= max(recipe.warm_up, 1000)
        else f"no capacity from warm_up, {recipe.warm_up:,}, on fits: train fewer members together "
        "or choose a smaller --batch-size"
    )
    raise UserError(
        f"replay_capacity: {needs(recipe, members)}, but {amount(room)} of memory are free for "
        f"that; {advice}"
    )


def _check_disk(recipe: Recipe, runs: Sequence[Path]) -> None:
    kept = min(recipe.replay_capacity, recipe.iterations * recipe.training_steps)
    need = replay_bytes(len(runs), kept) + len(runs) * MEMBER_CHECKPOINT
    free = resources.free_disk(runs[0]) + sum(map(resources.used_disk, runs))
    if need > free:
        raise FullDiskError(
            f"runs: checkpoints below {runs[0]} and its like take up to {amount(need)} on disk, "
            f"{amount(free)} are free; choose another --runs or a smaller --replay-capacity"
        )


def position(run: Path, *, previous: bool) -> Any:
    from rl.checkpoint import position_of, verify

    with damage_explained():
        found = position_of(run, previous=previous)
        if previous and found is None and position_of(run) is not None:
            raise UserError(f"{run} has no checkpoint before the newest one")
        verify(run, previous=previous)
    return found


def train(
    recipe: Recipe,
    members: Sequence[Member],
    logs: Sequence[Any],
    machine: Machine,
    *,
    progress: Callable[[Progress], None],
    stop: Callable[[], bool],
    previous: bool,
) -> Sequence[Outcome]:
    from rl import training

    with damage_explained():
        return training.train(
            recipe, members, logs, machine, progress=progress, stop=stop, previous=previous
        )


def discard(run: Path) -> None:
    if not (run / "replay").exists():  # the usual case, without torch
        return
    from rl.checkpoint import discard_replay

    discard_replay(run)
