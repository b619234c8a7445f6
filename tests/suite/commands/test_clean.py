"""`wdbench clean`: what is listed goes, and only when told to."""

import json
import shutil
from pathlib import Path

import pytest

from rl.workload import WORKLOAD as RL
from suite.__main__ import main
from suite.runs.directory import Run, locked
from tests.suite.results.runs import contents, game_run
from workload.member import Member

GRID = """\
workload: rl
base: {iterations: 3, training_steps: 1000, evaluation_steps: 500, warm_up: 100}
axes: {game: Pong, scheme: [none], seed: [0, 1]}
"""


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """One that has finished, one that has not, and one that no grid names, each with a state."""
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text(GRID)
    found = [
        game_run("runs", "Pong", "none", 0.0, 0, [1.0], warm_up=100),
        game_run("runs", "Pong", "none", 0.0, 1, [1.0], "unfinished", warm_up=100),
        game_run("runs", "Pong", "l2", 1e-3, 0, [1.0], warm_up=100),
    ]
    for run in found:
        (run.path / "checkpoint").mkdir()
        (run.path / "checkpoint" / "state.pt").write_bytes(b"12345")
    return [run.path for run in found]


def clean(*argv):
    assert main(["clean", "runs", *argv]) == 0


def deleted(before):
    return set(before) - set(contents(Path("runs")))


def names(paths, *below):
    return {str(path.relative_to("runs") / name) for path in paths for name in below}


def test_without_delete_it_only_says_what_would_go(runs, capsys):
    before = contents(Path("runs"))
    clean("--states", "--grid", "grid.yaml")
    assert contents(Path("runs")) == before
    *lines, last = capsys.readouterr().out.splitlines()
    assert [Path(line.split()[2]) for line in lines] == [runs[2], runs[0] / "checkpoint"]
    assert last.endswith("in all. Nothing has been deleted; the same with --delete does it.")


def test_what_kills_have_left_goes(runs):
    (runs[1] / "done.json.host.77.temporary").write_bytes(b"{")
    (runs[1] / "checkpoint" / "a.pt.host.77.temporary").write_bytes(b"1")
    before = contents(Path("runs"))
    clean("--delete")
    gone = ("done.json.host.77.temporary", "checkpoint/a.pt.host.77.temporary")
    assert deleted(before) == names([runs[1]], *gone)


def test_states_of_ended_runs_go_on_request(runs):
    before = contents(Path("runs"))
    clean("--states", "--delete")
    assert deleted(before) == names([runs[0], runs[2]], "checkpoint/state.pt")


def test_runs_that_no_grid_names_go_as_a_whole_with_folders_that_are_empty_then(runs):
    before = contents(Path("runs"))
    clean("--grid", "grid.yaml", "--delete")
    own = {name for name in before if name.startswith("rl/Pong/l2-1e-3/")}
    assert own
    assert deleted(before) == own
    assert not Path("runs/rl/Pong/l2-1e-3").exists()


def test_what_a_process_trains_stays(runs, capsys):
    before = contents(Path("runs"))
    with locked([Run.at(runs[2])]):
        clean("--states", "--grid", "grid.yaml", "--delete")
    assert deleted(before) == names([runs[0]], "checkpoint/state.pt")
    assert f"left alone: {runs[2]} is being trained" in capsys.readouterr().err


def test_what_a_run_of_a_grid_reads_stays(runs, monkeypatch):
    reads = [(RL.Recipe(**reference(runs[2])), Member("l2", 1e-3, 0))]
    monkeypatch.setattr(type(RL), "references", lambda self, recipe, members: reads)
    before = contents(Path("runs"))
    clean("--states", "--grid", "grid.yaml", "--delete")
    assert deleted(before) == names([runs[0]], "checkpoint/state.pt")


def reference(path):

    return json.loads((path / "config.json").read_text())["recipe"]


def test_what_this_version_does_not_know_is_left_alone(runs, capsys):
    shutil.copytree(runs[0], "runs/foreign")
    Path("runs/foreign/config.json").write_text('{"format": 99}')
    before = contents(Path("runs"))
    clean("--states", "--grid", "grid.yaml", "--delete")
    assert not any(name.startswith("foreign") for name in deleted(before))
    assert "left alone: runs/foreign has format 99" in capsys.readouterr().err
