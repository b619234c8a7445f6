"""The notebooks' code is run as it stands, cell by cell, and shows what their text says."""

import json
import math

import matplotlib.pyplot as plt
import pytest

from tests.docs.no_drawing import without_drawing
from tests.docs.pages import ROOT

FOLDER = ROOT / "notebooks"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The names that a notebook leaves, run in an empty folder; its figures are not shown."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    without_drawing(monkeypatch)

    def execute(name):
        cells = json.loads((FOLDER / name).read_text())["cells"]
        space = {"__name__": "notebook"}
        for cell in cells:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), name, "exec"), space)
        return space

    return execute


def test_all_notebooks_are_run():
    names = {path.name for path in FOLDER.glob("*.ipynb")}
    assert names == {"inside-an-optimizer.ipynb", "grid-and-report.ipynb"}


@pytest.mark.slow
def test_inside_an_optimizer_l2_alone_shrinks_the_weights_and_keeps_m_near_lambda(run):
    space = run("inside-an-optimizer.ipynb")
    last = space["last"]
    norms = {scheme: row["optim/weight_norm"] for scheme, row in last.items()}
    assert norms["l2"] < 0.9 * norms["none"]
    assert 0.95 * norms["none"] < norms["decoupled"] <= norms["none"]
    drowned = {scheme: row["optim/drowned_fraction"] for scheme, row in last.items()}
    assert drowned["l2"] > 0.3
    medians = {scheme: row["optim/log_m_over_w/q50"] for scheme, row in last.items()}
    decay = math.log(space["LAMBDA"])
    assert medians["l2"] > decay - 2.5
    assert max(medians[scheme] for scheme in ("none", "decoupled", "separated")) < decay - 3


@pytest.mark.slow
def test_a_grid_is_trained_and_reported(run, tmp_path, capsys):
    run("grid-and-report.ipynb")
    ended = [json.loads(p.read_text()) for p in tmp_path.glob("runs/lm/grammar/*/*/done.json")]
    assert [run["status"] for run in ended] == ["finished"] * 6
    report = (tmp_path / "results/grid/report.md").read_text()
    assert "| decoupled | 1e-1 |" in report
    assert "6 of 6 done" in capsys.readouterr().out
