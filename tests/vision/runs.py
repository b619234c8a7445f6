"""Small runs of the workload, for tests."""

import json
from pathlib import Path

import numpy as np
import torch

from tests.list_log import ListLog
from vision.config import Machine, Recipe
from vision.data.images import Split, write_split
from vision.data.prepare import prepare
from vision.image_data import ImageData
from vision.module import VisionModule
from vision.training import train_members
from vision.workload import WORKLOAD
from workload.identity import config_of
from workload.member import Member

CPU = torch.device("cpu")
MEMBER = Member("l2", 0.01, 0)


def patterns(count, seed, side=8):
    """Images of two classes that can be told apart, with noise."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    waves = 60 * np.sin(np.arange(side) * 1.6)
    images = np.where(labels[:, None, None], waves[:, None], waves[None, :])[..., None] + 128
    noisy = images + random.normal(0, 40, (count, side, side, 3))
    return Split(np.clip(noisy, 0, 255).astype(np.uint8), labels.astype(np.int64))


def prepared(folder: Path, train=40, test=20) -> Path:
    """The data folder with the image set `patterns`."""
    own = folder / "patterns"
    own.mkdir(parents=True)
    write_split(own / "train.npz", patterns(train, 0))
    write_split(own / "test.npz", patterns(test, 1))
    prepare(str(own), folder / "data")
    return folder / "data"


def recipe(**changes) -> Recipe:
    values = {
        "data": "patterns",
        "epochs": 3,
        "model": "resnet8",
        "width": 4,
        "batch_size": 16,
        "crop": 1,
        "log_every": 2,
        "learning_rate": 0.05,
    }
    return Recipe(**(values | changes))


def new_module(data_dir, own=None, member=MEMBER, device=CPU):
    own = recipe() if own is None else own
    return VisionModule(own, member, ImageData(own, data_dir, member.seed, device)).to(device)


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


def trained(data_dir, run, own, member=MEMBER, **options):
    """A run as the suite leaves it."""
    run.parent.mkdir(parents=True, exist_ok=True)
    found = train(data_dir, run, own, member, **options)
    (run / "config.json").write_text(json.dumps(config_of(WORKLOAD, own, member)))
    return found
