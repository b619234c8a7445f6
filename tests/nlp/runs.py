"""Training in a test: a run's log in lists, kills and stops at a chosen update."""

import json
from pathlib import Path

from nlp.config import Machine, Recipe

SMALL = Recipe(
    data="sentences",
    bpe=150,
    joined=True,
    epochs=2,
    width=16,
    feed_forward=32,
    heads=2,
    layers=1,
    dropout=0.1,
    learning_rate=5e-3,
    warm_up=4,
    max_tokens=256,
    beam=2,
    average_last=2,
    log_every=3,
)


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


def train_one(
    folder,
    member,
    data_dir,
    *,
    recipe=SMALL,
    device="cpu",
    kill_after=None,
    stop_after=None,
    **rest,
):
    """Train and return the log and the outcome.

    `kill_after` raises out of the training at the so-manieth progress report, which come after
    every update and now and then while decoding; `stop_after` asks it to stop there.
    """
    from nlp.training import train

    log = ListLog(folder)
    reports = 0

    def progress(report):
        nonlocal reports
        reports += 1
        if reports == kill_after:
            raise Killed

    machine = Machine(
        device=device,
        threads=1,
        checkpoint_every=rest.pop("checkpoint_every", 4),
        devices=rest.pop("devices", 1),
        data_dir=str(data_dir),
    )
    (outcome,) = train(
        recipe,
        [member],
        [log],
        machine,
        progress=progress,
        stop=lambda: stop_after is not None and reports + 1 >= stop_after,
        **rest,
    )
    return log, outcome
