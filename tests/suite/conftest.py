import pytest
from matplotlib.figure import Figure

import nlp.workload
import suite.results.plot
from nlp.workload import WORKLOAD as NLP
from rl.workload import WORKLOAD as RL
from tests.suite.fake_training import FakeTraining, FakeTranslation


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
def translating(monkeypatch, tmp_path):
    """Install a FakeTranslation in an empty working directory, as if the extra were there."""
    monkeypatch.chdir(tmp_path)

    def install(**script):
        fake = FakeTranslation(**script)
        monkeypatch.setattr(NLP, "train", fake)
        monkeypatch.setattr(nlp.workload, "EXTRA", ())
        return fake

    return install


@pytest.fixture
def no_drawing(monkeypatch):
    monkeypatch.setattr(suite.results.plot, "plot", lambda runs, out: out)


@pytest.fixture
def figures(monkeypatch):
    """The figures that were saved."""
    saved = []
    save = Figure.savefig

    def keep(figure, *arguments, **options):
        saved.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return saved
