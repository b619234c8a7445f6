"""Small runs of the workload, for tests."""

from pathlib import Path

import numpy as np
import torch

from lm.config import Machine, Recipe
from lm.data.prepare import prepare
from lm.training import train_members
from lm.window_data import WindowData
from tests.list_log import ListLog
from workload.member import Member

CPU = torch.device("cpu")
MEMBER = Member("decoupled", 0.1, 0)


def words(count, seed=0):
    """Text of a few made-up words, in which some follow others more often."""
    random = np.random.default_rng(seed)
    known = ["ba", "dudi", "gogo", "kelp", "mi", "nanu"]
    chosen = [0]
    for _ in range(count):
        near = random.random() < 0.7
        chosen.append((chosen[-1] + 1) % 6 if near else int(random.integers(0, 6)))
    return " ".join(known[n] for n in chosen)


def prepared(folder: Path, count=3_000) -> Path:
    """The data folder with the text `words` as characters."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "words.txt").write_text(words(count))
    prepare(str(folder / "words.txt"), folder / "data")
    return folder / "data"


def recipe(**changes) -> Recipe:
    values = {
        "data": "words",
        "tokens": "characters",
        "vocabulary": 0,
        "rounds": 3,
        "updates_per_round": 4,
        "layers": 1,
        "heads": 2,
        "width": 16,
        "context": 8,
        "learning_rate": 1e-2,
        "warm_up": 2,
        "batch_size": 4,
        "accumulate": 2,
        "evaluation_windows": 10,
        "log_every": 3,
    }
    return Recipe(**(values | changes))


def new_module(data_dir, own=None, member=MEMBER):
    from lm.module import LanguageModule  # with Lightning, of which a training has no need

    own = recipe() if own is None else own
    return LanguageModule(own, member, WindowData(own, data_dir, member.seed, CPU))


def train(data_dir, run: Path, own=None, member=MEMBER, stop=lambda: False, log=None, **machine):
    """Train, or go on; returns the outcome and the log."""
    run.mkdir(exist_ok=True)
    log = ListLog(run) if log is None else log
    settings = Machine(**({"device": "cpu", "data_dir": str(data_dir)} | machine))
    (outcome,) = train_members(
        recipe() if own is None else own,
        [member],
        [log],
        settings,
        progress=lambda _: None,
        stop=stop,
    )
    return outcome, log
