import json
from pathlib import Path

import pytest

from rl.config import Machine, Member, Recipe
from rl.training import train

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


class ListLog:
    """A run's log that keeps rows in lists, and in its run directory's stead for a resume."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        kept = path / "rows.json"
        self.rows = json.loads(kept.read_text()) if kept.exists() else {"metrics": [], "eval": []}

    def metrics(self, row):
        self._add("metrics", row)

    def evaluation(self, row):
        self._add("eval", row)

    def position(self):
        return {name: len(rows) for name, rows in self.rows.items()}

    def rewind(self, position):
        self.rows = {name: rows[: position.get(name, 0)] for name, rows in self.rows.items()}

    def _add(self, name, row):
        self.rows[name].append(row)
        (self.path / "rows.json").write_text(json.dumps(self.rows))


class Killed(Exception):
    """Stands for the end of the process: whatever is not on disk by then is gone."""


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
        chunks += report.phase != "resuming"
        if chunks == kill_after:
            raise Killed

    outcomes = train(
        recipe,
        members,
        logs,
        Machine(device=device, threads=1, checkpoint_every=options.pop("checkpoint_every", 40)),
        progress=progress,
        stop=lambda: chunks + 1 == stop_after,
        **options,
    )
    return logs, outcomes


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr("rl.module.CHUNK", 24)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The three members trained together, without an interruption."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rl.module.CHUNK", 24)
        return run(tmp_path_factory.mktemp("undisturbed"), SEEDED)
