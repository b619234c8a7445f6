import pytest

import suite.plot
import suite.rl
from tests.suite.fake_training import FakeTraining


@pytest.fixture
def training(monkeypatch, tmp_path):
    """Install a FakeTraining in an empty working directory: `training(error=...)`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(suite.rl, "train", suite.rl.train)
    monkeypatch.setattr(suite.rl, "position", suite.rl.position)

    def install(positions=None, **script):
        fake = FakeTraining(**script)
        fake.install(positions)
        return fake

    return install


@pytest.fixture
def no_drawing(monkeypatch):
    monkeypatch.setattr(suite.plot, "plot", lambda runs, out: out)
