"""Which runs a report counts, how it scores them, and which it names and leaves out."""

import json
import shutil

import pytest

from rl.config import Recipe
from suite.results.selection import find
from suite.runs.directory import Run
from tests.suite.results.runs import (
    contents,
    edit_json,
    game_run,
    inside,
    records_of,
    refuse,
    translation_run,
)
from tests.suite.run_files import finish, make_run, make_translation
from workload.errors import UserError


def record(run, last=5):
    (found,) = records_of([run], last)
    return found


def left_out(*paths):
    """What is said of runs of which none can be read."""
    named = []
    assert records_of(find(paths, named.append), 5, named.append) == []
    return named


def test_every_run_below_the_paths_is_found_once_in_the_order_of_paths(tmp_path):
    runs = [
        game_run(tmp_path / "runs", game, "none", 0.0, seed, [1.0])
        for game in ("Pong", "Breakout")
        for seed in (1, 0)
    ]
    (tmp_path / "link").symlink_to(runs[0].path)
    paths = [runs[0].path, tmp_path / "runs", tmp_path / "link", tmp_path / "runs" / "rl"]
    found = [run.path.resolve() for run in find(paths, refuse)]
    assert found[0] == runs[0].path
    assert sorted(found) == sorted(run.path for run in runs)


def test_links_are_followed_and_lead_round_in_no_circle(tmp_path):
    run = game_run(tmp_path / "elsewhere", "Pong", "none", 0.0, 0, [1.0])
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "runs" / "circle").symlink_to(tmp_path / "runs")
    (found,) = find([tmp_path / "runs"], refuse)
    assert found.path.resolve() == run.path.resolve()


@pytest.mark.parametrize("name", ["empty", "absent", "file"])
def test_a_path_without_a_run_is_an_error_that_names_it(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("text")
    run = game_run(tmp_path / "runs", "Pong", "none", 0.0, 0, [1.0])
    with pytest.raises(UserError, match=f"{name} is no run directory and has none below it"):
        find([run.path, tmp_path / name], refuse)


@pytest.mark.parametrize(
    ("last", "expected"), [(1, 50.0), (2, 40.0), (3, 35.0), (5, 25.0), (9, 25.0)]
)
def test_the_score_is_the_mean_of_the_last_evaluations_or_of_all(tmp_path, last, expected):
    """Of 0, 20, 25, 30, 50: 50; (30+50)/2; (25+30+50)/3; all five."""
    run = game_run(tmp_path, "Pong", "none", 0.0, 0, [0.0, 20.0, 25.0, 30.0, 50.0])
    assert record(run, last).scores == {"eval/return": expected}


def test_an_iteration_in_which_no_episode_ended_is_no_zero(tmp_path):
    run = make_run(tmp_path, scores=[{"eval/return": score} for score in (1.0, 6.0, None, 8.0)])
    finish(run)
    assert record(run, 3).scores == {"eval/return": 7.0}


def test_a_finished_run_without_any_evaluation_has_no_score(tmp_path):
    run = make_run(tmp_path, scores=[{"eval/return": None}])
    finish(run)
    assert record(run).scores == {}


def test_without_evaluation_steps_the_training_return_stands_in_and_says_so(tmp_path):
    run = game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0, 2.0], evaluation_steps=0)
    found = record(run)
    assert found.stands_in
    assert found.scores == {"eval/return": 15.0}  # the training returns are 10 and 20
    assert not record(game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0])).stands_in


def test_the_score_of_a_translation_is_the_newest_test_with_both_figures(tmp_path):
    rows = [
        {"epoch": 1, "updates": 10, "test/bleu": 1.0, "test/bleu_13a": 2.0},
        {"epoch": 2, "updates": 20, "test/bleu": 3.0, "test/bleu_13a": 4.0},
        {"epoch": 3, "updates": 30, "test/bleu": 5.0, "test/bleu_13a": None},
        {"epoch": 3, "updates": 30, "valid/bleu": 50.0},
    ]
    run = make_translation(tmp_path, scores=rows)
    finish(run)
    assert record(run).scores == {"test/bleu": 3.0, "test/bleu_13a": 4.0}


@pytest.mark.parametrize("status", ["diverged", "failed", "unfinished"])
def test_a_run_that_is_not_finished_has_no_score(tmp_path, status):
    found = record(game_run(tmp_path, "Pong", "l2", 1e-3, 0, [1.0, 2.0], status))
    assert (found.status, found.scores) == (status, {})


def test_a_run_that_diverged_counts_as_such_while_its_population_trains_on(tmp_path):
    rows = [inside(500), {"iteration": 0, "agent_steps": 750, "diverged": True}]
    found = record(game_run(tmp_path, "Pong", "l2", 1e-3, 0, [1.0], "unfinished", rows))
    assert (found.status, found.diverged_at) == ("diverged", 750)


@pytest.mark.parametrize("first", ["finished", "unfinished"])
def test_of_two_copies_of_a_run_the_finished_one_counts_and_the_other_is_named(tmp_path, first):
    run = game_run(tmp_path / "a", "Pong", "none", 0.0, 0, [3.0])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    other = tmp_path / "b" / run.path.relative_to(tmp_path / "a")
    unfinished = other if first == "finished" else run.path
    (unfinished / "done.json").unlink()
    named = []
    (found,) = records_of(find([tmp_path], refuse), 5, named.append)
    assert found.scores == {"eval/return": 3.0}
    assert found.path != unfinished
    assert named == [f"{unfinished} is the same run as {found.path}"]


BEYOND = 10**400
BAD_VALUES = [
    ("member", "weight_decay", "1e-3"),
    ("member", "weight_decay", True),
    ("member", "weight_decay", BEYOND),
    ("member", "seed", 1.5),
    ("member", "seed", -1),
    ("member", "scheme", "adamw"),
    ("member", "scheme", ["l2"]),
    ("member", "colour", "red"),
    ("recipe", "learning_rate", float("inf")),
    ("recipe", "learning_rate", float("nan")),
    ("recipe", "iterations", 2.5),
    ("recipe", "game", None),
    ("recipe", "decay_schedule", "sometimes"),
    ("recipe", "warp", 9),
]


@pytest.mark.parametrize(("part", "key", "value"), BAD_VALUES, ids=range(len(BAD_VALUES)))
def test_a_configuration_with_a_value_that_no_run_has_is_named(tmp_path, part, key, value):
    run = game_run(tmp_path, "Pong", "l2", 1e-3, 0, [1.0])
    config = json.loads((run.path / "config.json").read_text())
    config[part][key] = value
    (run.path / "config.json").write_text(json.dumps(config))
    (reason,) = left_out(tmp_path)
    assert reason.startswith(f"{run.path / 'config.json'}")
    assert key in reason


@pytest.mark.parametrize("key", ["scheme", "weight_decay", "seed"])
def test_a_configuration_that_lacks_a_key_is_named(tmp_path, key):
    run = game_run(tmp_path, "Pong", "l2", 1e-3, 0, [1.0])
    config = json.loads((run.path / "config.json").read_text())
    del config["member"][key]
    (run.path / "config.json").write_text(json.dumps(config))
    (reason,) = left_out(run.path)
    assert f"has no {key}: another version wrote it" in reason


@pytest.mark.parametrize("key", ["gamma", "decay_schedule", "iterations"])
def test_a_key_that_a_run_was_made_without_has_its_default(tmp_path, key):
    run = game_run(tmp_path, "Pong", "l2", 1e-3, 0, [1.0])
    config = json.loads((run.path / "config.json").read_text())
    del config["recipe"][key]
    (run.path / "config.json").write_text(json.dumps(config))
    found = record(Run.at(run.path))
    assert getattr(found.recipe, key) == found.values[key] == getattr(Recipe(), key)


DAMAGE = {
    "truncated": ("config.json", '{"format": 1, "workl'),
    "empty": ("config.json", ""),
    "foreign": ("config.json", '{"name": "a web project", "version": "1.0"}'),
    "a list": ("config.json", "[1, 2]"),
    "deep": ("config.json", "[" * 100_000),
    "binary": ("config.json", b"\xff\xfe\x00"),
    "no recipe": ("config.json", '{"format": 1, "workload": "rl", "member": {}}'),
    "no workload": ("config.json", '{"format": 1, "recipe": {}, "member": {}}'),
    "no JSON at the end": ("done.json", "finished"),
    "unknown end": ("done.json", '{"status": "perfect"}'),
    "status of another type": ("done.json", '{"status": []}'),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_run_is_named_and_the_others_are_read(tmp_path, case):
    good = game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0])
    bad = game_run(tmp_path, "Pong", "none", 0.0, 1, [1.0])
    name, data = DAMAGE[case]
    (bad.path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    before, named = contents(tmp_path), []
    (found,) = records_of(find([tmp_path], named.append), 5, named.append)
    assert found.path == good.path
    (reason,) = named
    assert str(bad.path) in reason
    assert contents(tmp_path) == before


DAMAGED_LINES = {
    "metrics of zeros": ("metrics.jsonl", b"\0" * 4096 + b"\n", 1),
    "half a row inside": (
        *("metrics.jsonl", b'{"agent_steps": 1}\n{"agent_st\n{"agent_steps": 3}\n'),
        2,
    ),
    "evaluations without step": (
        *("eval.jsonl", b'{"iteration": 0}\n{"agent_steps": 9, "eval/return": 4.0}\n'),
        1,
    ),
}


@pytest.mark.parametrize("case", DAMAGED_LINES)
def test_a_damaged_line_costs_a_run_no_more_than_that_line(tmp_path, case):
    run = game_run(tmp_path, "Pong", "none", 0.0, 1, [4.0], rows=[inside(1)])
    name, data, line = DAMAGED_LINES[case]
    (run.path / name).write_bytes(data)
    before, named = contents(tmp_path), []
    (found,) = records_of([run], 5, named.append)
    assert found.scores == {"eval/return": 4.0}
    (reason,) = named
    assert reason.startswith(f"{run.path / name}, line {line} is damaged: ")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_run_of_another_version_is_named_with_its_version(tmp_path, version):
    game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0])
    bad = game_run(tmp_path, "Pong", "none", 0.0, 1, [1.0])
    edit_json(bad.path / "config.json", format=version)
    named = []
    assert len(find([tmp_path], named.append)) == 1
    assert named == [f"{bad.path} has format {version}; this version reads 1"]


def test_a_run_of_another_workload_is_named(tmp_path):
    run = game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0])
    edit_json(run.path / "config.json", workload="chess")
    (reason,) = left_out(tmp_path)
    assert reason.startswith(f"{run.path / 'config.json'}: unknown workload 'chess'")


def test_a_run_with_something_new_in_its_configuration_is_named(tmp_path):
    run = game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0])
    edit_json(run.path / "config.json", extra=float("nan"))
    assert left_out(tmp_path) == [
        f"{run.path / 'config.json'} has extra, which this version does not know"
    ]


def test_a_damaged_meta_json_costs_a_run_nothing(tmp_path):
    run = game_run(tmp_path, "Pong", "none", 0.0, 0, [4.0])
    (run.path / "meta.json").write_text("{")
    assert record(run).scores == {"eval/return": 4.0}


def test_signatures_are_kept_on_one_line(tmp_path):
    run = translation_run(
        tmp_path, "iwslt14", "none", 0.0, 0, (30.0, 31.0), signature="a\n\nb\0\ud800c"
    )
    assert record(run).signatures == {"test/signature_13a": "a??b??c"}


@pytest.mark.parametrize(("weight_decay", "text"), [(1e-3, "1e-3"), (2.5e-5, "2.5e-5")])
def test_lambda_is_written_as_in_paths(tmp_path, weight_decay, text):
    run = game_run(tmp_path, "Pong", "decoupled", weight_decay, 0, [1.0])
    assert record(run).decay == text
    assert run.path.parent.name == f"decoupled-{text}"


def test_without_decay_there_is_no_lambda(tmp_path):
    assert record(game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0])).decay == "-"
