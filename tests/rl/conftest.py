import dataclasses
import math
from contextlib import contextmanager

import pytest
import torch

from rl.config import Machine, Recipe
from rl.position import Position
from rl.trained_agent import TrainedAgent
from rl.training import train_population
from tests.list_log import Killed, ListLog
from workload.checkpoint_files import CheckpointFiles
from workload.identity import FORMAT
from workload.member import Member

SMALL = Recipe(
    game="Pong",
    iterations=2,
    training_steps=120,
    evaluation_steps=20,
    warm_up=64,
    epsilon_steps=100,
    replay_capacity=100,
    padding="valid",
    log_every=20,
    max_episode_steps=50,
    target_every=40,
    batch_size=8,
)
SEEDED = (Member("separated", 1e-3, 3), Member("l2", 1e-2, 0), Member("none", 0.0, 3))


CONFIG = {
    "format": FORMAT,
    "workload": "rl",
    "recipe": SMALL.values(),
    "member": dataclasses.asdict(SEEDED[0]),
}
"""What config.json would say of the first of them."""


def load_agent(path):
    """The agent of a run of SMALL, on the CPU."""
    return TrainedAgent.load(path, CONFIG, torch.device("cpu"))


def run(
    folder, members, *, recipe=SMALL, device="cpu", kill_after=None, stop_after=None, **options
):
    """Train and return each member's log and outcome.

    `kill_after` raises out of the training after so many chunks; `stop_after` asks it to stop.
    """
    logs = [ListLog(folder / f"{m.name}-{m.seed}") for m in members]
    chunks = 0

    def progress(report):
        nonlocal chunks
        chunks += not any(word in report.phase for word in ("resuming", "reading"))
        if chunks == kill_after:
            raise Killed

    outcomes = train_population(
        recipe,
        members,
        logs,
        Machine(
            device=device,
            threads=1,
            checkpoint_every=options.pop("checkpoint_every", 40),
            keep_checkpoints=options.pop("keep_checkpoints", "0"),
            without_replay=options.pop("without_replay", False),
        ),
        progress=progress,
        stop=lambda: chunks + 1 == stop_after,
        **options,
    )
    return logs, outcomes


def read_position(path):
    """Where a run's checkpoint says that it stands, None where there is none."""
    entry = CheckpointFiles(path).entry()
    return None if entry is None else Position(*entry["position"])


REAL_SIZE = ("test_network", "test_dqn_update", "test_patches", "test_gpu")
"""Where a network has the 512 units behind its convolutions; elsewhere 32, a tenth of the weights:
how training goes on does not depend on how many there are, its time does."""


@contextmanager
def small(units=32):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rl.module.CHUNK", 24)
        patch.setattr("rl.training.CHUNK", 24)
        patch.setattr("rl.training.CHUNK_SECONDS", math.inf)
        patch.setattr("rl.architecture.HIDDEN", units)
        yield


@pytest.fixture(autouse=True, scope="module")
def small_trainings(request):
    with small(512 if request.module.__name__.endswith(REAL_SIZE) else 32):
        yield


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The three members trained together, without an interruption."""
    with small():
        return run(tmp_path_factory.mktemp("undisturbed"), SEEDED)
