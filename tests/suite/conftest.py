from pathlib import Path

import pytest
from matplotlib.figure import Figure

import suite.results.run_plot
from rl.workload import WORKLOAD as RL
from tests.suite.fake_training import FakeTraining


@pytest.fixture
def training(monkeypatch, tmp_path):
    """Install a FakeTraining in an empty working directory: `training(error=...)`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(RL, "train", RL.train)
    monkeypatch.setattr(RL, "checkpoint_position", RL.checkpoint_position)

    def install(positions=None, **script):
        fake = FakeTraining(**script)
        fake.install(positions)
        return fake

    return install


@pytest.fixture
def no_drawing(monkeypatch):
    monkeypatch.setattr(suite.results.run_plot, "plot", lambda runs, out: out)


@pytest.fixture
def figures(monkeypatch):
    """The figures that are saved, as files that only say so: to render one takes a second."""
    saved = []

    def keep(figure, target, **options):
        saved.append(figure)
        if isinstance(target, str | Path):
            Path(target).touch()
        else:
            target.write(b"a figure")

    monkeypatch.setattr(Figure, "savefig", keep)
    return saved
