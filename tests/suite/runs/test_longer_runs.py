"""Runs that are made longer: which directory holds them, and what becomes of their records."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nlp.workload import WORKLOAD as NLP
from rl.workload import WORKLOAD as RL
from suite.__main__ import main
from suite.batch.grid_file import read_grid
from suite.registry import load, names
from suite.runs.directory import Run
from tests.suite.run_files import SMALL, checkpoint, make_run, make_translation, record, run_paths
from workload.errors import UserError
from workload.files import write_json
from workload.member import Member

MEMBER = Member("none", 0.0, 0)
FINISHED = {"status": "finished", "figures": {"eval/return": 1.0}}


def finished(runs, iterations, *, replay, name=None):
    """A finished run of so many iterations, with or without its replay."""
    run = make_run(runs, iterations=iterations)
    path = run.path
    if name:
        path = path.with_name(name)
        run.path.rename(path)
    write_json(path / "done.json", FINISHED)
    checkpoint(path, "001-000030.pt", [iterations, 0, 0])
    if replay:
        (path / "replay").mkdir()
    return path


def asked(runs, iterations, **recipe):
    return Run.of(RL, RL.Recipe(iterations=iterations, **recipe), MEMBER, runs)


def test_a_run_of_an_earlier_version_is_found_by_its_configuration(tmp_path):
    old = finished(tmp_path, 3, replay=False, name="seed0-0025177c")
    found = asked(tmp_path, 3)
    assert found.path == old
    assert found.done() == FINISHED
    assert asked(tmp_path, 3, gamma=0.9).path != old


def test_of_several_directories_of_a_run_the_one_that_is_as_long_comes_first(tmp_path):
    paths = {
        length: finished(tmp_path, length, replay=False, name=f"seed0-0000000{length}")
        for length in (2, 3, 5)
    }
    for length, path in paths.items():
        assert asked(tmp_path, length).path == path
    assert asked(tmp_path, 4).path == paths[5]
    assert asked(tmp_path, 4).done() == FINISHED


def test_a_finished_run_with_its_replay_is_made_longer_where_it_is(tmp_path):
    path = finished(tmp_path, 2, replay=True)
    run = asked(tmp_path, 4)
    assert run.path == path
    assert run.done() is None
    assert run.status() == "unfinished"
    assert Run.at(path).done() == FINISHED
    run.begin_session()
    assert not (path / "done.json").exists()
    assert record(path, "config.json")["recipe"]["iterations"] == 4


def test_one_without_stays_and_the_longer_one_has_a_directory_of_its_own(tmp_path):
    path = finished(tmp_path, 2, replay=False)
    run = asked(tmp_path, 4)
    assert run.path != path
    assert run.path.parent == path.parent
    assert run.shorter == path
    run.create()
    again = asked(tmp_path, 4)
    assert (again.path, again.shorter) == (run.path, None)
    assert asked(tmp_path, 2).path == path
    assert asked(tmp_path, 2).done() == FINISHED


def test_another_cadence_of_logging_is_the_same_run(tmp_path):
    run = make_run(tmp_path, iterations=2)
    other = asked(tmp_path, 2, log_every=100)
    assert other.path == run.path
    assert other.has_config()


def test_a_translation_is_always_made_longer(tmp_path):
    run = make_translation(tmp_path, epochs=3)
    write_json(run.path / "done.json", FINISHED)
    checkpoint(run.path, "001-000030.pt", [2, 9, 29])
    checkpoint(run.path, "002-000000.pt", [3, 0, 30])
    NLP.clean_up(run.path, NLP.Machine(), finished=True)
    assert sorted(path.name for path in (run.path / "checkpoint").iterdir()) == [
        "002-000000.pt",
        "checkpoint.json",
    ]
    longer = Run.of(NLP, NLP.Recipe(epochs=5), MEMBER, tmp_path)
    assert (longer.path, longer.done()) == (run.path, None)
    assert NLP.checkpoint_position(run.path) == (3, 0, 30)


def test_a_diverged_translation_keeps_no_state_of_the_optimizer(tmp_path):
    checkpoint(tmp_path, "001-000030.pt", [2, 9, 29])
    NLP.clean_up(tmp_path, NLP.Machine(), finished=False)
    assert not (tmp_path / "checkpoint").exists()


def test_a_replay_that_was_kept_is_not_deleted_by_a_command_that_does_not_say_so(tmp_path):
    replay = finished(tmp_path, 2, replay=True) / "replay"
    RL.clean_up(replay.parent, RL.Machine(keep_replay=True), finished=True)
    RL.clean_up(replay.parent, RL.Machine(), finished=True)
    assert replay.is_dir()
    RL.clean_up(replay.parent, RL.Machine(keep_replay=True), finished=False)
    assert not replay.exists()


def test_without_the_flag_the_replay_goes_with_the_end_of_the_run(tmp_path):
    replay = finished(tmp_path, 2, replay=True) / "replay"
    RL.clean_up(replay.parent, RL.Machine(), finished=True)
    assert not replay.exists()


@pytest.mark.usefixtures("no_drawing")
def test_a_longer_run_says_where_it_begins(training, capsys):
    argv = [*SMALL, "--training-steps", "100000"]
    training()
    assert main([*argv, "--iterations", "1"]) == 0
    (first,) = run_paths()
    training()
    assert main([*argv, "--iterations", "2"]) == 0
    second = next(path for path in run_paths() if path != first)
    said = f"{second} starts anew: {first} has fewer iterations and has kept nothing to go on from"
    assert said in capsys.readouterr().out
    fake = training(positions={second: (2, 0, 0)})
    checkpoint(second, "001-000030.pt", [2, 0, 0])
    (second / "replay").mkdir()
    assert main([*argv, "--iterations", "3"]) == 0
    assert f"{second} goes on from iterations 2\n" in capsys.readouterr().out
    assert len(fake.calls) == 1
    assert len(run_paths()) == 2
    assert main([*argv, "--iterations", "2"]) == 0
    assert f"{second} is already finished, with iterations 3\n" in capsys.readouterr().out


@pytest.mark.usefixtures("no_drawing")
def test_an_unfinished_run_past_the_length_asked_for_is_refused(training, capsys):
    argv = [*SMALL, "--training-steps", "100000"]
    training(statuses={"none": "interrupted"})
    main([*argv, "--iterations", "9"])
    (path,) = run_paths()
    training(positions={path: (4, 1, 7)})
    assert main([*argv, "--iterations", "4"]) == 2
    assert f"{path} stands in iteration 5 already; choose --iterations 5" in capsys.readouterr().err
    assert record(path, "config.json")["recipe"]["iterations"] == 9
    training(positions={path: (4, 0, 0)})
    assert main([*argv, "--iterations", "4"]) == 0
    assert record(path, "config.json")["recipe"]["iterations"] == 4


@pytest.mark.parametrize("name", names())
def test_a_run_at_the_end_of_an_epoch_has_begun_no_other(name):
    """So one that was killed before its end was recorded can still end: (2, 0, 24) of 2 epochs."""
    rl = name == "rl"  # iteration, phase, tick; the others: epochs, batches after them, updates
    begun = load(name).epochs_begun
    assert [begun((0, 0, 0)), begun((2, 0, 0 if rl else 24))] == [0, 2]
    assert [begun((1, 1, 0 if rl else 13)), begun((1, 8, 20))] == [2, 2]
    assert begun((1, 0, 3)) == (2 if rl else 1)


def test_runs_of_a_grid_that_differ_in_length_alone_are_the_longest(tmp_path):
    (tmp_path / "grid.yaml").write_text(
        "workload: rl\naxes: {iterations: [2, 5, 3], scheme: [none]}\n"
    )
    (only,) = read_grid(tmp_path / "grid.yaml", Path("runs"), {}).runs
    assert only.recipe.iterations == 5


def test_a_damaged_final_record_is_told_and_hides_no_other_run(tmp_path):
    path = finished(tmp_path, 2, replay=False)
    (path / "done.json").write_text("{")
    run = asked(tmp_path, 4)
    assert run.path == path
    with pytest.raises(UserError, match=r"done\.json is damaged"):
        run.done()


def test_a_config_with_another_value_is_another_run_whatever_its_name(tmp_path):
    run = make_run(tmp_path)
    config = json.loads((run.path / "config.json").read_text())
    config["recipe"]["gamma"] = 0.5
    write_json(run.path / "config.json", config)
    same = Run.of(RL, replace(RL.Recipe(), gamma=0.5), MEMBER, tmp_path)
    assert same.path == run.path
    with pytest.raises(UserError, match="describes another run"):
        asked(tmp_path, 200).has_config()
