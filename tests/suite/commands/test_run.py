"""`run rl` around a scripted training: records, members, and what remains to be done."""

import re
from pathlib import Path

import pytest

from rl.workload import WORKLOAD as RL
from suite.__main__ import main
from tests.suite.run_files import SMALL, record, run_paths

FOUR = ["--scheme", "none", "l2", "decoupled", "separated", "--weight-decay", "1e-3"]
pytestmark = pytest.mark.usefixtures("no_drawing")


def test_a_finished_run_leaves_its_records(training, capsys):
    training()
    assert main([*SMALL, "--seed", "4"]) == 0
    (path,) = run_paths()
    assert record(path, "config.json")["member"] == {
        "scheme": "none",
        "weight_decay": 0.0,
        "seed": 4,
    }
    assert record(path, "done.json")["status"] == "finished"
    assert record(path, "done.json")["figures"] == {"loss": 0.5}
    (session,) = record(path, "meta.json")["sessions"]
    assert session["status"] == "finished"
    assert session["argv"][1:] == [*SMALL, "--seed", "4"]
    assert session["versions"]["torch"]
    assert session["hardware"]["cores"] >= 1
    assert session["end"] >= session["start"]
    assert str(path / "plot.png") in capsys.readouterr().out


def test_running_it_again_says_so_and_trains_nothing(training, capsys):
    fake = training()
    assert main(SMALL) == 0
    capsys.readouterr()
    assert main(SMALL) == 0
    assert len(fake.calls) == 1
    assert "is already finished" in capsys.readouterr().out


def test_only_the_missing_members_are_trained(training):
    fake = training()
    assert main([*SMALL, "--seed", "0"]) == 0
    assert main([*SMALL, "--seed", "0", "1", "2"]) == 0
    assert [member.seed for member, _ in fake.calls[1]] == [1, 2]


def test_a_population_is_one_call_and_a_directory_per_member(training, capsys):
    fake = training()
    assert main([*SMALL, *FOUR]) == 0
    assert [len(call) for call in fake.calls] == [4]
    names = {path.parent.name for path in run_paths()}
    assert names == {"none", "l2-1e-3", "decoupled-1e-3", "separated-1e-3"}
    assert "plot-" in capsys.readouterr().out


def test_members_at_different_positions_train_apart(training):
    training()
    arguments = [*SMALL, "--seed", "0", "1", "2"]
    main(arguments)
    for path in run_paths():
        (path / "done.json").unlink()
    first, second, third = run_paths()
    fake = training(positions={first: (1, 0, 0), second: None, third: (1, 0, 0)})
    assert main(arguments) == 0
    assert [[member.seed for member, _ in call] for call in fake.calls] == [[0, 2], [1]]


def test_a_diverged_member_stops_alone_and_the_table_says_so(training, capsys):
    training(statuses={"l2": "diverged"})
    assert main([*SMALL, *FOUR]) == 0
    statuses = {path.parent.name: record(path, "done.json")["status"] for path in run_paths()}
    assert statuses.pop("l2-1e-3") == "diverged"
    assert set(statuses.values()) == {"finished"}
    assert re.search(r"l2 +0\.001 +0 +diverged", capsys.readouterr().out)


@pytest.mark.parametrize("status", ["finished", "diverged"])
def test_the_replay_is_deleted_once_the_run_is_done(status, training, monkeypatch):
    training(statuses={"none": status})
    seen = []
    clean_up = RL.clean_up

    def seeing(run, machine, *, finished):
        seen.append((run / "done.json").exists())
        clean_up(run, machine, finished=finished)

    monkeypatch.setattr(RL, "clean_up", seeing)
    training(error=RuntimeError("before the end"))
    main(SMALL)
    (path,) = run_paths()
    segment = path / "replay" / "000000000000.blocks"
    segment.parent.mkdir()
    segment.touch()
    training(statuses={"none": status})
    assert main(SMALL) == 0
    assert seen == [True]
    assert not segment.parent.exists()


def test_a_replay_that_a_kill_left_behind_a_finished_run_is_deleted(training):
    training()
    main(SMALL)
    (path,) = run_paths()
    (path / "replay").mkdir()
    (path / "replay" / "000000000000.blocks").touch()
    assert main(SMALL) == 0
    assert not (path / "replay").exists()


def test_it_says_before_training_what_it_takes_and_which_runs_start(training, capsys):
    training()
    main([*SMALL, "--seed", "0", "1"])
    first, second = run_paths()
    lines = capsys.readouterr().out.splitlines()
    memory = (
        "the replay takes 2 x 20,000 transitions: up to 2 x 23.4 MB = 46.8 MB on a CPU, "
        "2 x 141 MB = 283 MB on a GPU; a batch 2.26 MB"
    )
    assert lines[:3] == [memory, f"{first} starts", f"{second} starts"]
    for path in run_paths():
        (path / "done.json").unlink()
    training(positions={first: (0, 1, 0), second: (0, 1, 0)})
    main([*SMALL, "--seed", "0", "1"])
    assert capsys.readouterr().out.splitlines()[1] == f"{first} resumes"


def test_machine_knobs_reach_training(training):
    fake = training()
    assert main([*SMALL, "--threads", "1", "--checkpoint-every", "5000"]) == 0
    machine = RL.Machine(device="cpu", threads=1, checkpoint_every=5000)
    assert fake.calls[0][0][1] == machine


def test_print_config_states_memory_and_directories_and_makes_nothing(training, capsys):
    training()
    assert main(["run", "rl", "--seed", "0", "1", "2", "--print_config"]) == 0
    out = capsys.readouterr().out
    assert (
        "# the replay takes 3 x 1,000,000 transitions: up to 3 x 925 MB = 2.77 GB on a CPU, "
        "3 x 7.07 GB = 21.2 GB on a GPU; a batch 3.39 MB" in out
    )
    assert out.count("# run: runs/rl/Pong/none/seed") == 3
    assert not list(Path().iterdir())
